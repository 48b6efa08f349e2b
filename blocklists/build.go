package blocklists

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"slices"
	"time"

	"github.com/treehouse-dns/treehouse/blocklists/catalogue"
	"github.com/treehouse-dns/treehouse/filter"
	"github.com/treehouse-dns/treehouse/store"
)

// Build compiles the catalogue and all sources into the snapshot and stores it.
// Until it is stored whole, and if anything fails, the last one stays.
func (l *Library) Build(ctx context.Context) (Build, error) {
	release, err := l.writer(ctx)
	if err != nil {
		return Build{}, err
	}
	defer release()
	sources, err := l.Sources()
	if err != nil {
		return Build{}, err
	}
	last, err := l.LastBuild()
	if err != nil {
		return Build{}, err
	}
	without, err := last.goesWithout(sources, l.opt.Now())
	if err != nil {
		return Build{}, err
	}
	basis, err := l.basis(sources)
	if err != nil {
		return Build{}, err
	}
	edition := l.catalogue()
	c := l.newCompiler(edition, sources)
	c.witness(l.opt.Witnesses)
	build := Build{
		Number: last.Number + 1, Sources: len(c.sources) - len(without), Unknown: c.unknown, ByHand: lastByHand(sources),
		Without: without, Basis: basis, Catalogue: edition.About,
	}
	compile := func(w io.Writer) error {
		build.Stats, err = filter.BuildTrie(w, c.topics, c.entries(ctx), filter.BuildOptions{Memory: l.opt.Memory})
		return err
	}
	if l.file.Shadowed() {
		// A change of a shadowed file keeps everyone out until it is done, the
		// readers of the sources too.
		finished, done, err := spool(l.opt.Store.Scratch, compile)
		if err != nil {
			return Build{}, err
		}
		defer done()
		compile = func(w io.Writer) error { _, err := io.Copy(w, finished); return err }
	}
	err = l.file.WriteLarge(snapshotTable, compile, func(tx *store.Tx) error {
		build.At = l.opt.Now()
		value, err := json.Marshal(build)
		if err != nil {
			return err
		}
		return tx.Bucket(buildBucket).Put([]byte(lastBuild), value)
	})
	return build, err
}

// spool writes to a file without a name in folder and gives it back from its start.
func spool(folder string, write func(io.Writer) error) (file *os.File, done func(), err error) {
	file, err = os.CreateTemp(folder, "treehouse-spool-*")
	if err != nil {
		return nil, nil, err
	}
	os.Remove(file.Name())
	if err = write(file); err == nil {
		_, err = file.Seek(0, io.SeekStart)
	}
	if err != nil {
		file.Close()
		return nil, nil, err
	}
	return file, func() { file.Close() }, nil
}

// LastBuild tells of the snapshot in the file; Number 0 if there is none.
func (l *Library) LastBuild() (Build, error) {
	var build Build
	err := l.file.View(func(tx *store.Tx) error {
		value, err := tx.Bucket(buildBucket).Get([]byte(lastBuild))
		if value == nil || err != nil {
			return err
		}
		build, err = readBuild(value)
		return err
	})
	return build, err
}

// Outdated tells whether something has been stored or removed that the last build
// has not compiled: what did it was killed before it could.
func (l *Library) Outdated() (bool, error) {
	last, err := l.LastBuild()
	if err != nil {
		return false, err
	}
	sources, err := l.Sources()
	if err != nil {
		return false, err
	}
	basis, err := l.basis(sources)
	return basis != last.Basis, err
}

// basis is when each source's names and the catalogue came, as a digest; "" if
// nothing did. It does not ask what was later: clocks are put right.
func (l *Library) basis(sources []SourceState) (string, error) {
	edition, err := l.CatalogueState()
	if err != nil {
		return "", err
	}
	var came []byte
	add := func(id string, at time.Time) {
		if !at.IsZero() {
			came = fmt.Appendf(came, "%s %d\n", id, at.UnixNano())
		}
	}
	add("", edition.Taken)
	for _, s := range sources {
		add(s.ID, s.Imported)
	}
	if came == nil {
		return "", nil
	}
	digest := sha256.Sum256(came)
	return hex.EncodeToString(digest[:8]), nil
}

func readBuild(value []byte) (b Build, err error) {
	err = json.Unmarshal(value, &b)
	return b, err
}

// Snapshot is the last good snapshot; before the first Build one of the
// catalogue alone, compiled in memory. Where the stored one cannot be used the
// error says why, and the trie is the catalogue's: there is always one to filter
// by, unless the catalogue itself is wrong. Whoever has a snapshot in force
// already keeps that one instead.
func (l *Library) Snapshot() (*filter.Trie, error) {
	stored, err := l.file.ReadLarge(snapshotTable)
	if err == nil && stored != nil {
		trie, bad := filter.OpenTrie(stored)
		if bad == nil {
			return trie, nil
		}
		err = fmt.Errorf("the stored snapshot cannot be used (%w); build the lists again", bad)
	}
	trie, bad := l.catalogueTrie()
	if bad != nil {
		return nil, bad
	}
	return trie, err
}

// catalogueTrie compiles the catalogue alone.
func (l *Library) catalogueTrie() (*filter.Trie, error) {
	c := l.newCompiler(l.catalogue(), nil)
	var out bytes.Buffer
	if _, err := filter.BuildTrie(&out, c.topics, c.entries(context.Background()), filter.BuildOptions{Memory: l.opt.Memory}); err != nil {
		return nil, fmt.Errorf("the catalogue cannot be compiled: %w", err)
	}
	return filter.OpenTrie(out.Bytes())
}

// compiler merges sources and catalogue.
type compiler struct {
	file    *store.File
	topics  []filter.Topic
	own     []record // the catalogue's, sorted
	sources []compiledSource
	unknown []string
}

type compiledSource struct {
	id     string
	topics []filter.TopicID // by the source's own numbers; noTopic if the catalogue has none
}

// noTopic marks a source's topic that has no place in the table.
const noTopic = filter.AnyCategory

func (l *Library) newCompiler(edition *catalogue.Edition, sources []SourceState) *compiler {
	c := &compiler{file: l.file, topics: edition.Topics()}
	place := map[string]filter.TopicID{}
	for i, t := range c.topics {
		place[t.ID] = filter.TopicID(i)
	}
	edition.Entries(func(topic string, name filter.Name, mode filter.Mode) bool {
		c.own = append(c.own, appendTail(appendNameKey(nil, name), mode, uint16(place[topic])))
		return true
	})
	protect := func(name filter.Name) bool {
		c.own = append(c.own, appendTail(appendNameKey(nil, name), filter.Except, uint16(filter.AnyCategory)))
		return true
	}
	edition.Protected(protect)
	for _, name := range l.opt.Own {
		protect(name)
	}
	c.sort()
	for _, s := range sources {
		in := compiledSource{id: s.ID}
		for _, topic := range s.Topics {
			id, ok := place[topic]
			if !ok {
				id = noTopic
				if !slices.Contains(c.unknown, topic) {
					c.unknown = append(c.unknown, topic)
				}
			}
			in.topics = append(in.topics, id)
		}
		c.sources = append(c.sources, in)
	}
	return c
}

// witness adds names that the builder proves to be answered right, whatever the
// keyed hashes of the others are. The catalogue's names, the protected ones and
// those of every source are proved in any case.
func (c *compiler) witness(names func(yield func(filter.Name) bool)) {
	if names == nil {
		return
	}
	names(func(name filter.Name) bool {
		c.own = append(c.own, appendTail(appendNameKey(nil, name), filter.Witness, 0))
		return true
	})
	c.sort()
}

func (c *compiler) sort() {
	slices.SortFunc(c.own, func(a, b record) int { return bytes.Compare(a, b) })
}

// entries is the merged stream for filter's builder, which reads it several
// times: memory for one block of each source, whatever their size.
func (c *compiler) entries(ctx context.Context) filter.Entries {
	return func(yield func(filter.Entry) bool) error {
		inflate := new(inflater)
		streams := []stream{&records{rest: c.own}}
		for _, s := range c.sources {
			streams = append(streams, &cursor{file: c.file, table: namesTable(s.id), in: inflate})
		}
		all := &merger{streams: streams}
		var last record           // the name and mode that done belongs to
		var done []filter.TopicID // topics that were given for it
		var name filter.Name      // reused
		for count := 0; ; count++ {
			r, err := all.next()
			if err == nil && count%4096 == 0 {
				err = ctx.Err()
			}
			if r == nil || err != nil {
				return err
			}
			topic := filter.TopicID(r.topic())
			if all.from > 0 {
				in := c.sources[all.from-1]
				if int(topic) >= len(in.topics) || in.topics[topic] == noTopic {
					continue
				}
				topic = in.topics[topic]
			}
			if !bytes.Equal(last, r.withoutTopic()) {
				last, done = append(last[:0], r.withoutTopic()...), done[:0]
				name = r.appendName(name[:0])
			}
			if slices.Contains(done, topic) {
				continue
			}
			done = append(done, topic)
			if !yield(filter.Entry{Name: name, Topic: topic, Mode: r.mode()}) {
				return nil
			}
		}
	}
}

// records is the stream of a sorted slice.
type records struct{ rest []record }

func (s *records) next() (record, error) {
	if len(s.rest) == 0 {
		return nil, nil
	}
	r := s.rest[0]
	s.rest = s.rest[1:]
	return r, nil
}
