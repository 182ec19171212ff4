package main

import (
	"context"
	"encoding/base64"
	"fmt"
	"os"
	"strconv"
	"strings"

	cosigned "github.com/transparency-dev/formats/note"
	"github.com/transparency-dev/merkle/rfc6962"
	"github.com/transparency-dev/tessera/api"
	"github.com/transparency-dev/tessera/fsck"
	"golang.org/x/mod/sumdb/note"
	"golang.org/x/mod/sumdb/tlog"
)

// fsckLog rebuilds the whole log with Tessera.
func fsckLog(ctx context.Context, o options) (answer, error) {
	from, head, result, err := start(ctx, o)
	if err != nil {
		return result, err
	}
	verifier, err := note.NewVerifier(o.keys[0])
	if err != nil {
		return result, err
	}
	// A live log grows while it is looked at: the checkpoint that was seen is the one that is checked.
	check := fsck.New(verifier.Name(), verifier, held{from, head}, hashes, fsck.Opts{N: 2})
	return result, check.Check(ctx)
}

type held struct {
	source
	checkpoint []byte
}

func (h held) ReadCheckpoint(context.Context) ([]byte, error) { return h.checkpoint, nil }

func hashes(data []byte) ([][]byte, error) {
	var bundle api.EntryBundle
	if err := bundle.UnmarshalText(data); err != nil {
		return nil, err
	}
	found := make([][]byte, 0, len(bundle.Entries))
	for _, entry := range bundle.Entries {
		found = append(found, rfc6962.DefaultHasher.HashLeaf(entry))
	}
	return found, nil
}

// checkRecords holds every entry against the hash that x/mod has authenticated through the tree's tiles.
func checkRecords(ctx context.Context, o options) (answer, error) {
	from, head, result, err := start(ctx, o)
	if err != nil {
		return result, err
	}
	tree, err := parse(head)
	if err != nil {
		return result, err
	}
	reader := tlog.TileHashReader(tree, tiles{ctx, from})
	for first := int64(0); first < tree.N; first += 256 {
		count := min(tree.N-first, 256)
		data, err := from.ReadEntryBundle(ctx, uint64(first/256), uint8(count&0xff))
		if err != nil {
			return result, err
		}
		var bundle api.EntryBundle
		if err := bundle.UnmarshalText(data); err != nil {
			return result, err
		}
		indexes := make([]int64, count)
		for i := range indexes {
			indexes[i] = tlog.StoredHashIndex(0, first+int64(i))
		}
		known, err := reader.ReadHashes(indexes)
		if err != nil {
			return result, err
		}
		for i, hash := range known {
			if tlog.RecordHash(bundle.Entries[i]) != hash {
				return result, fmt.Errorf("entry %d is not the one in the tree", first+int64(i))
			}
		}
	}
	return result, nil
}

// checkConsistency proves with x/mod that an older checkpoint is a prefix of the log's.
func checkConsistency(ctx context.Context, o options) (answer, error) {
	from, head, result, err := start(ctx, o)
	if err != nil {
		return result, err
	}
	raw, err := os.ReadFile(o.from)
	if err != nil {
		return result, err
	}
	if _, err := signed(raw, o); err != nil {
		return result, fmt.Errorf("the older checkpoint: %w", err)
	}
	older, err := parse(raw)
	if err != nil {
		return result, err
	}
	newer, err := parse(head)
	if err != nil {
		return result, err
	}
	if older.N == newer.N {
		if older.Hash != newer.Hash {
			return result, fmt.Errorf("two trees of %d entries were signed", older.N)
		}
		return result, nil
	}
	proof, err := tlog.ProveTree(newer.N, older.N, tlog.TileHashReader(newer, tiles{ctx, from}))
	if err != nil {
		return result, err
	}
	return result, tlog.CheckTree(proof, newer.N, newer.Hash, older.N, older.Hash)
}

// checkNote looks at the checkpoint alone.
func checkNote(ctx context.Context, o options) (answer, error) {
	_, _, result, err := start(ctx, o)
	return result, err
}

func start(ctx context.Context, o options) (source, []byte, answer, error) {
	if len(o.keys) == 0 {
		return nil, nil, answer{}, fmt.Errorf("no -key was given")
	}
	from, err := open(o)
	if err != nil {
		return nil, nil, answer{}, err
	}
	raw, err := from.ReadCheckpoint(ctx)
	if err != nil {
		return nil, nil, answer{}, err
	}
	result, err := signed(raw, o)
	if err != nil {
		return nil, nil, result, err
	}
	tree, err := parse(raw)
	if err != nil {
		return nil, nil, result, err
	}
	result.Size, result.Root = tree.N, base64.StdEncoding.EncodeToString(tree.Hash[:])
	return from, raw, result, nil
}

// signed counts the log's signatures and the witnesses' cosignatures, each checked by its own library.
func signed(raw []byte, o options) (answer, error) {
	var keys, witnesses []note.Verifier
	for _, text := range o.keys {
		key, err := note.NewVerifier(text)
		if err != nil {
			return answer{}, err
		}
		keys = append(keys, key)
	}
	for _, text := range o.witnesses {
		key, err := cosigned.NewVerifierForCosignatureV1(text)
		if err != nil {
			return answer{}, err
		}
		witnesses = append(witnesses, key)
	}
	opened, err := note.Open(raw, note.VerifierList(keys...))
	if err != nil {
		return answer{}, err
	}
	result := answer{Signers: len(opened.Sigs)}
	if len(witnesses) > 0 {
		seen, err := note.Open(raw, note.VerifierList(witnesses...))
		if err != nil {
			return result, err
		}
		result.Cosigned = len(seen.Sigs)
	}
	return result, nil
}

func parse(raw []byte) (tlog.Tree, error) {
	lines := strings.SplitN(string(raw), "\n", 4)
	if len(lines) < 4 {
		return tlog.Tree{}, fmt.Errorf("the checkpoint is too short")
	}
	size, err := strconv.ParseInt(lines[1], 10, 64)
	if err != nil || size < 0 {
		return tlog.Tree{}, fmt.Errorf("the checkpoint's size is no number")
	}
	hash, err := tlog.ParseHash(lines[2])
	return tlog.Tree{N: size, Hash: hash}, err
}
