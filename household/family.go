package household

import (
	"bytes"
	"context"
	"errors"
	"hash/maphash"
	"io"
	"net/netip"
	"sync"
	"sync/atomic"
	"time"

	"github.com/treehouse-dns/treehouse/filter"
	"github.com/treehouse-dns/treehouse/store"
)

// Options are what a Family needs from outside.
type Options struct {
	Bands *Bands           // nil: DefaultBands
	Zone  *time.Location   // where the family's clocks are read; nil: UTC
	Now   func() time.Time // the clock; required
	// Notifier is told of new requests, as far as the family chose (SetTell);
	// nil: nobody outside of the pages is.
	Notifier Notifier
	// Restored may alter what a backup holds (after) in view of what it takes the
	// place of (before), in one piece with Restore: for who keeps something of their
	// own in the file; nil: it is taken as it is.
	Restored func(before, after *store.Tx) error
}

// Family is the Household in force and the file it is kept in. Any goroutine may
// use it; other processes may change the file, see Run.
type Family struct {
	file *store.File
	opt  Options

	seed maphash.Seed // of sums

	writing sync.Mutex // one change of this process at a time
	now     atomic.Pointer[state]
	network atomic.Pointer[Network]
	journal journal

	telling sync.Mutex
	told    []chan<- struct{} // guarded by telling
}

// state is what readers take in one piece.
type state struct {
	household *Household
	clients   *Clients
	sums      sums // of the household as the file has it
}

// Open loads the household from its file. A file that holds none gives a
// household without people.
func Open(file *store.File, opt Options) (*Family, error) {
	if opt.Bands == nil {
		opt.Bands = DefaultBands()
	}
	if opt.Zone == nil {
		opt.Zone = time.UTC
	}
	f := &Family{file: file, opt: opt, seed: maphash.MakeSeed()}
	return f, f.Reload()
}

// Household is the household in force. It is shared: read it only.
func (f *Family) Household() *Household { return f.now.Load().household }

// Identify tells who asks; see Clients.Identify. It takes no lock and does not
// allocate.
func (f *Family) Identify(source netip.Addr, id []byte) filter.Client {
	return f.now.Load().clients.Identify(source, id)
}

// Token tells whether a text is the token of a device that is away, and its
// TokenID. It takes no lock and does not allocate.
func (f *Family) Token(text string) (id [16]byte, ok bool) {
	return f.now.Load().clients.Token(text)
}

// Whose tells whose device is at an address; see Clients.Whose.
func (f *Family) Whose(addr netip.Addr) (DeviceID, filter.PolicyID) {
	return f.now.Load().clients.Whose(addr)
}

// Change alters the household: change is handed the state of the file, may
// alter it as it likes, and what it leaves is written in one transaction. An
// error from it changes nothing. The next query is answered by the new rules
// once the caller's listener (see Notify) has taken the policies.
func (f *Family) Change(change func(h *Household) error) error {
	f.writing.Lock()
	defer f.writing.Unlock()
	var next *Household
	var written sums
	err := f.file.Update(func(tx *store.Tx) error {
		h, found, err := load(tx, f.opt.Bands, f.opt.Zone, f.now.Load(), f.seed)
		if err != nil {
			return err
		}
		if err := change(h); err != nil {
			return err
		}
		h.Tidy(f.opt.Now())
		if err := h.check(); err != nil {
			return err
		}
		after, of, err := h.records(found, f.seed)
		if err != nil {
			return err
		}
		next, written = h, of
		if err := save(tx, found.values, after); err != nil {
			return err
		}
		return sweepCounts(tx, h, f.opt.Now().In(f.opt.Zone))
	})
	if err != nil {
		return err
	}
	before := f.Household()
	f.put(next, written)
	f.announce(before, next)
	return nil
}

// Reload takes the household from the file again, because another process has
// changed it. If it cannot be read, the one in force stays; if it is the same,
// nobody is told.
func (f *Family) Reload() error {
	f.writing.Lock()
	defer f.writing.Unlock()
	before := f.now.Load()
	err := f.reload()
	if before != nil {
		f.announce(before.household, f.Household())
	}
	return err
}

func (f *Family) reload() error {
	var next *Household
	var found *stored
	err := f.file.View(func(tx *store.Tx) (err error) {
		if next, found, err = load(tx, f.opt.Bands, f.opt.Zone, f.now.Load(), f.seed); err == nil {
			err = next.check()
		}
		return err
	})
	if err == nil {
		if f.now.Load() == nil || !found.same {
			f.put(next, found.sums)
		}
		return nil
	}
	if f.now.Load() == nil { // there has to be one: the safe profile for everybody
		f.put(New(f.opt.Bands, f.opt.Zone), sums{})
	}
	return err
}

// put puts a household in force and tells everyone who asked for it.
func (f *Family) put(h *Household, of sums) {
	if before := f.now.Load(); before != nil && !h.follows(before.household) {
		defer f.journal.clear() // its devices were others
	}
	f.now.Store(&state{household: h, clients: h.Clients(f.network.Load()), sums: of})
	f.forget()
	f.tell()
}

// SetNetwork says which address is which device's now, as the neighbour table
// and the leases have it. It changes who is asking and no rule.
func (f *Family) SetNetwork(n *Network) {
	f.writing.Lock()
	defer f.writing.Unlock()
	f.network.Store(n)
	now := f.now.Load()
	f.now.Store(&state{household: now.household, clients: now.household.Clients(n), sums: now.sums})
}

// Notify puts an empty struct into c whenever another household is in force; it
// never waits, so give c room for one. The returned function ends it.
func (f *Family) Notify(c chan<- struct{}) (stop func()) {
	f.telling.Lock()
	defer f.telling.Unlock()
	f.told = append(f.told, c)
	return func() {
		f.telling.Lock()
		defer f.telling.Unlock()
		for i := range f.told {
			if f.told[i] == c {
				f.told = append(f.told[:i:i], f.told[i+1:]...)
				return
			}
		}
	}
}

func (f *Family) tell() {
	f.telling.Lock()
	defer f.telling.Unlock()
	for _, c := range f.told {
		select {
		case c <- struct{}{}:
		default:
		}
	}
}

// Run takes changes that other processes make until ctx ends, and forgets names
// when their time is over. failed is told of a file that cannot be read; the
// household in force stays.
func (f *Family) Run(ctx context.Context, failed func(error)) error {
	changes := f.file.Watch(ctx)
	if err := f.Reload(); err != nil { // for what came between Open and here
		failed(err)
	}
	ticker := time.NewTicker(forgetEvery)
	defer ticker.Stop()
	for {
		select {
		case _, ok := <-changes:
			if !ok {
				return ctx.Err()
			}
			if err := f.Reload(); err != nil {
				failed(err)
			}
		case <-ticker.C:
			f.forget()
		}
	}
}

// Erase takes everything about the family out of the file. What is left is a
// household without people.
func (f *Family) Erase() error {
	f.writing.Lock()
	defer f.writing.Unlock()
	if err := f.file.Erase(); err != nil {
		return err
	}
	return f.reload()
}

// Backup writes everything about the family to w, in a form that reads the same
// on every router.
func (f *Family) Backup(w io.Writer) error { return f.file.Backup(w) }

// SaveBackup writes a backup beside the file, which a damaged file is made again
// from.
func (f *Family) SaveBackup() error { return f.file.SaveBackup() }

// Restore replaces the family's data by a backup, as Options.Restored alters it. If
// the backup is whole but cannot be understood, what was there before is put back.
func (f *Family) Restore(r io.Reader) error {
	f.writing.Lock()
	defer f.writing.Unlock()
	var before bytes.Buffer
	if err := f.file.Backup(&before); err != nil {
		return err
	}
	if err := f.file.Restore(r, f.opt.Restored); err != nil {
		return err
	}
	err := f.reload()
	if err != nil {
		err = errors.Join(err, f.file.Restore(&before, nil))
	}
	return err
}
