// Command tlogcheck lets programs that AMAS did not write judge an AMAS log: Tessera's fsck, and the packages note and
// tlog of golang.org/x/mod/sumdb, which the Go checksum database is checked with. It answers one line of JSON, and exits
// with 0 if the log holds, 1 if it does not, 2 if it was called wrongly. `tlogcheck append` measures Tessera instead.
package main

import (
	"context"
	"encoding/json"
	"flag"
	"fmt"
	"os"
	"strings"
	"time"
)

// A check that takes longer than this has hung.
const limit = 5 * time.Minute

type list []string

func (l *list) String() string     { return strings.Join(*l, ",") }
func (l *list) Set(v string) error { *l = append(*l, v); return nil }

type options struct {
	log, ca, cert, certKey, from string
	keys, witnesses              list
}

type answer struct {
	OK       bool   `json:"ok"`
	Size     int64  `json:"size"`
	Root     string `json:"root,omitempty"`
	Signers  int    `json:"signers"`
	Cosigned int    `json:"cosigned"`
	Problem  string `json:"problem,omitempty"`
}

var checks = map[string]func(context.Context, options) (answer, error){
	"fsck":        fsckLog,
	"records":     checkRecords,
	"consistency": checkConsistency,
	"note":        checkNote,
}

func main() {
	if len(os.Args) > 1 && os.Args[1] == "append" {
		if err := appendEntries(os.Args[2:]); err != nil {
			fmt.Fprintln(os.Stderr, "tlogcheck append:", err)
			os.Exit(1)
		}
		return
	}
	if len(os.Args) < 2 || checks[os.Args[1]] == nil {
		fmt.Fprintln(os.Stderr, "usage: tlogcheck fsck|records|consistency|note -log URL|FOLDER -key VKEY ...")
		os.Exit(2)
	}
	var o options
	flags := flag.NewFlagSet(os.Args[1], flag.ExitOnError)
	flags.StringVar(&o.log, "log", "", "URL or folder of the log")
	flags.StringVar(&o.ca, "ca", "", "PEM file with the authority of the log's certificate")
	flags.StringVar(&o.cert, "cert", "", "PEM file with the client's certificate")
	flags.StringVar(&o.certKey, "cert-key", "", "PEM file with the client's key")
	flags.StringVar(&o.from, "from", "", "file with an older checkpoint")
	flags.Var(&o.keys, "key", "verifier key of the log (again for each)")
	flags.Var(&o.witnesses, "witness", "verifier key of a witness (again for each)")
	if err := flags.Parse(os.Args[2:]); err != nil {
		os.Exit(2)
	}
	ctx, cancel := context.WithTimeout(context.Background(), limit)
	defer cancel()
	result, err := guarded(ctx, checks[os.Args[1]], o)
	result.OK = err == nil
	if err != nil {
		result.Problem = err.Error()
	}
	if err := json.NewEncoder(os.Stdout).Encode(result); err != nil {
		os.Exit(2)
	}
	if !result.OK {
		os.Exit(1)
	}
}

// guarded makes a panic a finding: Tessera's fsck indexes into a bundle that may hold fewer entries than it must.
func guarded(ctx context.Context, check func(context.Context, options) (answer, error), o options) (a answer, err error) {
	defer func() {
		if found := recover(); found != nil {
			err = fmt.Errorf("the check broke off: %v", found)
		}
	}()
	return check(ctx, o)
}
