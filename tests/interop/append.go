package main

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"flag"
	"fmt"
	"os"
	"time"

	"github.com/transparency-dev/tessera"
	"github.com/transparency-dev/tessera/storage/posix"
	"golang.org/x/mod/sumdb/note"
)

// appendEntries measures Tessera's POSIX driver for `make bench-audit`: entries of so many random bytes, so many of them
// under way at once, until each is on disk and in the tree. It prints how long that took, and where the tree ended.
func appendEntries(arguments []string) error {
	flags := flag.NewFlagSet("append", flag.ExitOnError)
	folder := flags.String("log", "", "folder of the log, made anew")
	entries := flags.Int("entries", 10000, "entries to append")
	size := flags.Int("bytes", 1024, "bytes of each")
	batch := flags.Uint("batch", 1024, "most entries of a batch, and entries under way in four of them")
	if err := flags.Parse(arguments); err != nil {
		return err
	}
	ctx := context.Background()
	secret, _, err := note.GenerateKey(rand.Reader, "amas.dev/bench")
	if err != nil {
		return err
	}
	signer, err := note.NewSigner(secret)
	if err != nil {
		return err
	}
	driver, err := posix.New(ctx, posix.Config{Path: *folder})
	if err != nil {
		return err
	}
	options := tessera.NewAppendOptions().
		WithCheckpointSigner(signer).
		WithBatching(*batch, 10*time.Millisecond).
		WithCheckpointInterval(time.Second).
		WithPushback(8 * *batch)
	appender, shutdown, _, err := tessera.NewAppender(ctx, driver, options)
	if err != nil {
		return err
	}
	data := make([][]byte, *entries)
	for i := range data {
		data[i] = make([]byte, *size)
		if _, err := rand.Read(data[i]); err != nil {
			return err
		}
	}
	under := make(chan tessera.IndexFuture, 4**batch)
	done := make(chan error, 1)
	begun := time.Now()
	go func() {
		for future := range under {
			if _, err := future(); err != nil {
				done <- err
				return
			}
		}
		done <- nil
	}()
	for _, one := range data {
		select {
		case under <- appender.Add(ctx, tessera.NewEntry(one)):
		case err := <-done:
			return fmt.Errorf("an entry was refused: %w", err)
		}
	}
	close(under)
	if err := <-done; err != nil {
		return err
	}
	seconds := time.Since(begun).Seconds()
	if err := shutdown(ctx); err != nil {
		return err
	}
	return json.NewEncoder(os.Stdout).Encode(map[string]any{"entries": *entries, "seconds": seconds})
}
