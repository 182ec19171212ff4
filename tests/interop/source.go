package main

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"net/http"
	"net/url"
	"os"
	"strings"

	"github.com/transparency-dev/tessera/api"
	"github.com/transparency-dev/tessera/client"
	"golang.org/x/mod/sumdb/tlog"
)

type source interface {
	ReadCheckpoint(ctx context.Context) ([]byte, error)
	ReadTile(ctx context.Context, l, i uint64, p uint8) ([]byte, error)
	ReadEntryBundle(ctx context.Context, i uint64, p uint8) ([]byte, error)
}

func open(o options) (source, error) {
	if !strings.HasPrefix(o.log, "https://") && !strings.HasPrefix(o.log, "http://") {
		return exact{client.FileFetcher{Root: o.log}}, nil
	}
	root, err := url.Parse(o.log)
	if err != nil {
		return nil, err
	}
	settings := &tls.Config{MinVersion: tls.VersionTLS12}
	if o.ca != "" {
		pem, err := os.ReadFile(o.ca)
		if err != nil {
			return nil, err
		}
		settings.RootCAs = x509.NewCertPool()
		settings.RootCAs.AppendCertsFromPEM(pem)
	}
	if o.cert != "" {
		pair, err := tls.LoadX509KeyPair(o.cert, o.certKey)
		if err != nil {
			return nil, err
		}
		settings.Certificates = []tls.Certificate{pair}
	}
	fetcher, err := client.NewHTTPFetcher(root, &http.Client{Transport: &http.Transport{TLSClientConfig: settings}})
	if err != nil {
		return nil, err
	}
	return exact{fetcher}, nil
}

// exact refuses a bundle that has not just the entries that were asked for: fsck looks at those that it expects alone.
type exact struct{ source }

func (e exact) ReadEntryBundle(ctx context.Context, i uint64, p uint8) ([]byte, error) {
	data, err := e.source.ReadEntryBundle(ctx, i, p)
	if err != nil {
		return nil, err
	}
	var bundle api.EntryBundle
	if err := bundle.UnmarshalText(data); err != nil {
		return nil, fmt.Errorf("bundle %d: %w", i, err)
	}
	wanted := int(p)
	if wanted == 0 {
		wanted = 256
	}
	// A full bundle may stand in for a partial one.
	if len(bundle.Entries) != wanted && len(bundle.Entries) != 256 {
		return nil, fmt.Errorf("bundle %d has %d entries where there must be %d", i, len(bundle.Entries), wanted)
	}
	return data, nil
}

// tiles is what x/mod reads the tree from. Its own paths have the tile's height in them, those of tlog-tiles have not.
type tiles struct {
	ctx  context.Context
	from source
}

func (t tiles) Height() int { return 8 }

func (t tiles) SaveTiles([]tlog.Tile, [][]byte) {}

func (t tiles) ReadTiles(wanted []tlog.Tile) ([][]byte, error) {
	found := make([][]byte, 0, len(wanted))
	for _, tile := range wanted {
		data, err := t.from.ReadTile(t.ctx, uint64(tile.L), uint64(tile.N), uint8(tile.W&0xff))
		if err != nil {
			return nil, err
		}
		found = append(found, data)
	}
	return found, nil
}
