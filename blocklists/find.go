package blocklists

import (
	"bytes"
	"slices"

	"github.com/treehouse-dns/treehouse/blocklists/catalogue"
	"github.com/treehouse-dns/treehouse/filter"
	"github.com/treehouse-dns/treehouse/store"
)

// Origin is who says what about a name.
type Origin struct {
	Source string      // a source's ID; "" is the catalogue
	Said   string      // of the catalogue: which one, such as "Example Telecom 7"; "" is the built-in one
	Topic  string      // the topic's ID; "" for a protected name
	Name   filter.Name // what is listed: the name asked for or one above it
	Mode   filter.Mode
}

// Find tells who lists a name, or one above it in a way that covers it. The
// catalogue comes first, then the sources by ID; the topmost name first.
func (l *Library) Find(name filter.Name) ([]Origin, error) {
	var found []Origin
	key := appendNameKey(nil, name)
	take := func(at filter.Name, mode filter.Mode, o Origin) {
		if mode&^filter.Important != filter.Exact || len(at) == len(name) {
			o.Name, o.Mode = at, mode
			found = append(found, o)
		}
	}
	for _, o := range l.claimed(name) {
		take(o.name, o.mode, o.Origin)
	}
	sources, err := l.Sources()
	if err != nil {
		return nil, err
	}
	inflate := new(inflater)
	for _, s := range sources {
		err := l.file.View(func(tx *store.Tx) (err error) {
			table := tx.Table(namesTable(s.ID))
			parents(key, func(parent record) bool {
				err = eachOf(table, inflate, parent, func(r record) {
					if int(r.topic()) < len(s.Topics) {
						take(r.appendName(nil), r.mode(), Origin{Source: s.ID, Topic: s.Topics[r.topic()]})
					}
				})
				return err == nil
			})
			return err
		})
		if err != nil {
			return nil, err
		}
	}
	return found, nil
}

// claim is what the catalogue says of a name.
type claim struct {
	name filter.Name
	mode filter.Mode
	Origin
}

// claimed is what the catalogue says of a name and those above it, the topmost
// first.
func (l *Library) claimed(name filter.Name) []claim {
	edition := l.catalogue()
	said := ""
	if !edition.IsBuiltIn() {
		said = edition.String()
	}
	var at [filter.MaxLabels + 1][]claim // by number of labels
	add := func(c claim) {
		if name.IsBelow(c.name) {
			n := c.name.Labels()
			at[n] = append(at[n], c)
		}
	}
	edition.Claims(func(c catalogue.Claim) bool {
		o := Origin{Topic: c.Topic, Said: said}
		if c.BuiltIn {
			o.Said = ""
		}
		if c.Topic == "" {
			c.Mode = filter.Except
		}
		add(claim{c.Name, c.Mode, o})
		return true
	})
	for _, own := range l.opt.Own {
		add(claim{own, filter.Except, Origin{}})
	}
	return slices.Concat(at[:]...)
}

// eachOf calls fn with each record of one name in a table.
func eachOf(table *store.Bucket, inflate *inflater, key record, fn func(record)) error {
	start, _, err := table.Floor(key)
	if err != nil {
		return err
	}
	var bad error
	var coded []byte
	err = table.Each(start, func(first, packed []byte) bool {
		if coded, bad = inflate.unpack(coded[:0], packed); bad != nil {
			return false
		}
		b := blockReader{rest: coded}
		for {
			r, err := b.next()
			if r == nil || err != nil {
				bad = err
				return err == nil // the name may go on in the next block
			}
			switch bytes.Compare(r.key(), key) {
			case 0:
				fn(r)
			case 1:
				return false
			}
		}
	})
	if err == nil {
		err = bad
	}
	return err
}
