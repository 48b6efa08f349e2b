package blocklists

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/netip"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/treehouse-dns/treehouse/blocklists/catalogue"
	"github.com/treehouse-dns/treehouse/filter"
	"github.com/treehouse-dns/treehouse/store"
)

// The names in blocklists.db.
const (
	fileName      = "blocklists.db"
	sourcesBucket = "sources" // id → SourceState as JSON
	buildBucket   = "build"   // lastBuild → Build as JSON
	lastBuild     = "last"

	catalogueBucket = "catalogue" // "state" → CatalogueState as JSON
	catalogueTable  = "catalogue" // the replacement's texts, see encodeEdition
	snapshotTable   = "snapshot"  // what filter.OpenTrie reads
)

const (
	// defaultMemory is what an import or a build may hold beside the program.
	defaultMemory = 16 << 20
	// maxSources bounds what a merge holds: one block for each.
	maxSources = 256
	// maxTopics of one source; v2fly maps to some hundred.
	maxTopics = 4096
	// writerWait is how long an import waits for another to end.
	writerWait = 10 * time.Minute
)

// Options say what a Library works with. Catalogue is needed; the rest has
// defaults.
type Options struct {
	Catalogue *catalogue.Edition // what the program itself knows
	// Replacement is a catalogue to take in place of that; zero: none.
	Replacement Replacement

	Memory int           // bytes that an import or a build may hold at once; 0 is 16 MiB
	Temp   string        // folder of files that live while an import runs; "" is the library's own
	Own    []filter.Name // names of the router itself, protected like the catalogue's
	// Witnesses are names that no collision of hashes may touch, such as the most
	// visited sites; nil: none beside those that are proved in any case.
	Witnesses func(yield func(filter.Name) bool)
	Now       func() time.Time // nil is time.Now
	Store     store.Options
	Fetch     FetchOptions
	// Kept is the file of a copy for lists in a folder that a reboot empties: see
	// Keep. "" is for lists that stay where they are.
	Kept string
	// KeptBytes is how large it may be.
	KeptBytes int64
}

// Library is the lists of a home: sources with their names and the snapshot
// compiled from them. Any number of goroutines and processes may use one folder
// at once; imports and builds wait for each other.
type Library struct {
	file   *store.File
	opt    Options
	permit func(netip.Addr) bool // whether Update may go to an address
}

// SourceState is a source with what became of it.
type SourceState struct {
	Source
	Report   Report    // of the last good list
	Imported time.Time // when that was stored; zero if never
	Bytes    int64     // that its names take in the file
	Checked  time.Time // when Update looked last
	Result   string    // of that look, a sentence; "" if there was none
	Failed   bool      // whether Result is an error
	Failing  time.Time `json:",omitzero"`  // since when each look has failed; zero if the last did not
	Held     *Report   `json:",omitempty"` // a newer list that changes too much, until accepted

	ETag, LastModified string `json:",omitempty"` // of the last good list

	Topics []string // by the topic number in the source's records

	// Away is a source whose names are in the snapshot only, or where its Build.Without
	// says so, not there either: the home was started from the kept copy and has
	// not fetched them since. See Keep.
	Away bool `json:",omitempty"`
}

// Build is what the last Library.Build did.
type Build struct {
	Number  uint64 // counts builds
	At      time.Time
	Stats   filter.BuildStats
	Sources int
	Unknown []string  // topics of sources that the catalogue does not know any more
	ByHand  time.Time // when the last of those sources came that have no URL; zero if there is none
	Without []string  `json:",omitempty"` // sources whose names were not to be had any more, see AwayError
	Basis   string    // tells what it was compiled of from what came later

	Catalogue catalogue.About // what it was built with
}

// Open opens the lists in a folder, made if it is not there.
func Open(dir string, opt Options) (*Library, error) {
	if opt.Memory == 0 {
		opt.Memory = defaultMemory
	}
	if opt.Temp == "" {
		opt.Temp = dir
	}
	if opt.Now == nil {
		opt.Now = time.Now
	}
	opt.Store.Disposable = true
	opt.Store.Backup = opt.Kept
	if opt.Kept != "" && opt.Store.Wait == 0 {
		opt.Store.Wait = keptWait
	}
	file, err := store.Open(filepath.Join(dir, fileName), opt.Store)
	if err != nil {
		return nil, err
	}
	return &Library{file: file, opt: opt, permit: isPublic}, nil
}

// Recovered tells whether the file was damaged and is empty now: nil if not. The
// lists have to be imported or updated again.
func (l *Library) Recovered() *store.Recovery { return l.file.Recovered() }

// BytesWritten is what this process has written to the disk: to the file, or
// where a copy is kept, to that.
func (l *Library) BytesWritten() uint64 { return l.file.BytesWritten() }

// writer waits for its turn to change sources or the snapshot.
func (l *Library) writer(ctx context.Context) (release func(), err error) {
	path := l.file.Path() + ".writer"
	release, err = store.Lock(ctx, path, true, writerWait)
	var locked *store.LockedError
	if errors.As(err, &locked) {
		return nil, fmt.Errorf("another import, update or build has been at the lists for %s; wait for it or end it", writerWait)
	}
	return release, err
}

// Sources are all sources with their states, by ID.
func (l *Library) Sources() ([]SourceState, error) {
	var all []SourceState
	err := l.file.View(func(tx *store.Tx) error {
		var bad error
		err := tx.Bucket(sourcesBucket).Each(nil, func(id, value []byte) bool {
			var s SourceState
			if bad = json.Unmarshal(value, &s); bad != nil {
				bad = fmt.Errorf("the state of source %q cannot be read (%w); remove it and add it again", id, bad)
				return false
			}
			all = append(all, s)
			return true
		})
		if err == nil {
			err = bad
		}
		if err == nil {
			err = markAway(tx, all)
		}
		return err
	})
	return all, err
}

// state is one source's state, and whether there is one.
func (l *Library) state(id string) (s SourceState, ok bool, err error) {
	err = l.file.View(func(tx *store.Tx) error {
		value, err := tx.Bucket(sourcesBucket).Get([]byte(id))
		if value == nil || err != nil {
			return err
		}
		ok = true
		return json.Unmarshal(value, &s)
	})
	return s, ok, err
}

// putState keeps a state.
func putState(tx *store.Tx, s SourceState) error {
	s.Away = false // it is found out each time
	value, err := json.Marshal(s)
	if err != nil {
		return err
	}
	return tx.Bucket(sourcesBucket).Put([]byte(s.ID), value)
}

// Add configures a source, or changes how one is configured. The names it has
// stay until the next import or update; a new URL is fetched whole.
func (l *Library) Add(ctx context.Context, source Source) error {
	if err := l.check(source); err != nil {
		return err
	}
	release, err := l.writer(ctx)
	if err != nil {
		return err
	}
	defer release()
	return l.file.Update(func(tx *store.Tx) error {
		in := tx.Bucket(sourcesBucket)
		value, err := in.Get([]byte(source.ID))
		if err != nil {
			return err
		}
		var s SourceState
		if value != nil {
			if err := json.Unmarshal(value, &s); err != nil {
				s = SourceState{} // unreadable: what is put now can be read
			}
		} else if err := roomForSource(in); err != nil {
			return err
		}
		if s.Source == source {
			return nil // nothing to write: flash wears
		}
		if s.URL != source.URL || s.Topic != source.Topic || s.Format != source.Format || s.Exact != source.Exact {
			s.ETag, s.LastModified, s.Checked, s.Held = "", "", time.Time{}, nil
		}
		s.Source = source
		return putState(tx, s)
	})
}

// roomForSource refuses one more than maxSources.
func roomForSource(in *store.Bucket) error {
	n := 0
	if err := in.Each(nil, func([]byte, []byte) bool { n++; return true }); err != nil {
		return err
	}
	if n >= maxSources {
		return fmt.Errorf("there are %d sources already, the most there may be; remove one first", n)
	}
	return nil
}

// Remove takes a source away with its names. The snapshot has them until the
// next Build.
func (l *Library) Remove(ctx context.Context, id string) error {
	release, err := l.writer(ctx)
	if err != nil {
		return err
	}
	defer release()
	if _, ok, err := l.state(id); err == nil && !ok {
		return fmt.Errorf("there is no source %q", id)
	}
	return l.file.Drop(namesTable(id), func(tx *store.Tx) error { return tx.Bucket(sourcesBucket).Delete([]byte(id)) })
}

// check refuses a source that cannot work.
func (l *Library) check(s Source) error {
	if err := checkID(s.ID); err != nil {
		return err
	}
	if s.Topic != "" {
		if err := l.checkTopic(s.Topic); err != nil {
			return err
		}
	}
	if _, err := ParseFormat(string(s.Format)); err != nil {
		return err
	}
	if s.URL == "" {
		return nil
	}
	return checkURL(s)
}

// checkTopic refuses a topic that the catalogue does not have, and names those
// that begin most alike.
func (l *Library) checkTopic(id string) error {
	var near []string
	most := min(2, len(id)) // letters; fewer are chance
	for _, t := range l.catalogue().Topics() {
		if t.ID == id {
			return nil
		}
		alike := 0
		for alike < min(len(id), len(t.ID)) && id[alike] == t.ID[alike] {
			alike++
		}
		if alike > most {
			near, most = near[:0], alike
		}
		if alike == most {
			near = append(near, t.ID)
		}
	}
	if len(near) == 0 {
		return fmt.Errorf("there is no topic %q; write one of the catalogue's, such as adult, gambling or ads", id)
	}
	slices.Sort(near)
	return fmt.Errorf("there is no topic %q; do you mean one of %s", id, strings.Join(near, ", "))
}
