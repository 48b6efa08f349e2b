package blocklists

import (
	"context"
	"fmt"

	"github.com/treehouse-dns/treehouse/filter"
)

// Verify reads everything in the file, every checksum with it: that each source
// has as many names as were stored, in order, and that the snapshot opens. The
// problems are sentences; none is a sound library.
func (l *Library) Verify(ctx context.Context) (problems []error, err error) {
	sources, err := l.Sources()
	if err != nil {
		return nil, err
	}
	inflate := new(inflater)
	for _, s := range sources {
		if err := ctx.Err(); err != nil {
			return problems, err
		}
		if s.Away { // only the snapshot has them
			continue
		}
		n, err := countRecords(&cursor{file: l.file, table: namesTable(s.ID), in: inflate})
		if err == nil && n != s.Report.Entries {
			err = fmt.Errorf("it has %d of its %d names", n, s.Report.Entries)
		}
		if err != nil {
			problems = append(problems, fmt.Errorf("source %q: %w; import or update it again", s.ID, err))
		}
	}
	stored, err := l.file.ReadLarge(snapshotTable)
	if err == nil && stored != nil {
		_, err = filter.OpenTrie(stored)
	}
	if err != nil {
		problems = append(problems, fmt.Errorf("the snapshot: %w; build the lists again", err))
	}
	return problems, nil
}

// countRecords counts a stream's records, which have to ascend.
func countRecords(in stream) (n int, err error) {
	var last record
	for {
		r, err := in.next()
		if r == nil || err != nil {
			return n, err
		}
		if n > 0 && string(r) <= string(last) {
			return n, errBlock
		}
		last = append(last[:0], r...)
		n++
	}
}
