package blocklists

import (
	"bytes"

	"github.com/treehouse-dns/treehouse/filter"
	"github.com/treehouse-dns/treehouse/store"
)

// Origin is who says what about a name.
type Origin struct {
	Source string      // a source's ID; "" is the built-in catalogue
	Topic  string      // the topic's ID; "" for a protected name
	Name   filter.Name // what is listed: the name asked for or one above it
	Mode   filter.Mode
}

// Find tells who lists a name, or one above it in a way that covers it. The
// catalogue comes first, then the sources by ID; the topmost name first.
func (l *Library) Find(name filter.Name) ([]Origin, error) {
	var found []Origin
	key := appendNameKey(nil, name)
	take := func(source string, r record, topic string) {
		mode := r.mode()
		if mode&^filter.Important == filter.Exact && !bytes.Equal(r.key(), key) {
			return
		}
		found = append(found, Origin{Source: source, Topic: topic, Name: r.appendName(nil), Mode: mode})
	}
	c := l.newCompiler(nil)
	parents(key, func(parent record) bool {
		for _, r := range c.own {
			if bytes.Equal(r.key(), parent) {
				topic := ""
				if int(r.topic()) < len(c.topics) {
					topic = c.topics[r.topic()].ID
				}
				take("", r, topic)
			}
		}
		return true
	})
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
						take(s.ID, r, s.Topics[r.topic()])
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
