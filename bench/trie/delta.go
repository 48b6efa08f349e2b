package main

import (
	"bytes"
	"fmt"
	"hash/fnv"
	"io"
	"runtime"

	"github.com/treehouse-dns/treehouse/filter"
)

// delta takes a share of the names out, puts as many in, and measures what it
// takes to bring the change to a router.
func delta(args []string) error {
	for _, share := range []struct {
		key      string
		permille uint64
	}{{"delta_half_percent_bytes", 5}, {"delta_five_percent_bytes", 50}} {
		old, err := without(args[0], 0, share.permille, nil)
		if err != nil {
			return err
		}
		next, err := without(args[0], share.permille, 2*share.permille, old)
		if err != nil {
			return err
		}
		var d bytes.Buffer
		if err := filter.MakeDelta(&d, old, next); err != nil {
			return err
		}
		report(share.key, float64(d.Len()))
		before := allocated()
		if err := filter.ApplyDelta(io.Discard, old, &d); err != nil {
			return err
		}
		report(share.key[:len(share.key)-len("bytes")]+"apply_allocated_bytes", float64(allocated()-before))
	}
	return nil
}

// without builds the names whose hash does not fall between from and to, of 1000.
func without(names string, from, to uint64, like *filter.Trie) (*filter.Trie, error) {
	var file bytes.Buffer
	_, err := filter.BuildTrie(&file, topics, func(yield func(filter.Entry) bool) error {
		return entriesIn(names)(func(e filter.Entry) bool {
			h := fnv.New64a()
			h.Write(e.Name)
			if at := h.Sum64() >> 7 % 1000; e.Mode != filter.Witness && from <= at && at < to {
				return true
			}
			return yield(e)
		})
	}, filter.BuildOptions{Memory: 256 << 20, Like: like})
	if err != nil {
		return nil, fmt.Errorf("build: %w", err)
	}
	return filter.OpenTrie(file.Bytes())
}

func allocated() uint64 {
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return m.TotalAlloc
}
