package household

import (
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"sync"
	"time"

	"github.com/treehouse-dns/treehouse/filter"
)

// Names are remembered in two places, both in memory, both bounded, both for
// their own sake and no longer: the last block of a device, so that its own page
// can explain it, and the log of a device that a parent has asked for to find a
// fault. Lifeline and sealed names are in neither.

const (
	// blockMemory is how long the last block of a device is remembered: long
	// enough to open the page that explains it, too short to be a history.
	blockMemory = 5 * time.Minute
	// maxRemembered is of how many devices the last block is remembered.
	maxRemembered = MaxDevices
	// MaxLogging is how long a device may be logged at a time.
	MaxLogging = 24 * time.Hour
	// maxLogged is how many devices are logged at once: one that has a fault,
	// and one to compare it with.
	maxLogged = 2
	// logBytes is how much of a device's log is kept, the oldest goes first:
	// some 1,500 names, an hour of a busy tablet.
	logBytes = 128 << 10
	// logOverhead is what an entry of the log costs beside its name, in bytes.
	logOverhead = 64
	// forgetEvery is how often what has become too old is dropped.
	forgetEvery = time.Minute
)

// LogDevice lets a parent see which names a device asks for, to find a fault:
// until a time at most a day away. Whoever the device belongs to is told (see
// Logged), so it has to be somebody's, and of an age at which parents see
// something at all. by is who turned it on, for the one who is told; empty: a
// parent. A new call replaces the time; the zero time ends it, and what was
// noted is gone.
func (h *Household) LogDevice(id DeviceID, now, until time.Time, by string) error {
	d := h.Device(id)
	if d == nil {
		return noDevice(id)
	}
	if until.IsZero() {
		d.Logged, d.LoggedBy = time.Time{}, ""
		return nil
	}
	if err := h.MayLog(*d); err != nil {
		return err
	}
	if !until.After(now) || until.Sub(now) > MaxLogging {
		return fmt.Errorf("a device is logged for at most %d hours from now", int(MaxLogging.Hours()))
	}
	others := 0
	for _, o := range h.Devices {
		if o.ID != id && o.Logged.After(now) {
			others++
		}
	}
	if others >= maxLogged {
		return ErrLogFull
	}
	d.Logged, d.LoggedBy = until, CleanName(by)
	return nil
}

// Why a device may not be logged.
var (
	ErrLogNobodys = errors.New("the device is nobody's; assign it first, so that its owner is told")
	ErrLogGrown   = errors.New("its owner is old enough not to be looked over the shoulder; ask them")
	ErrLogFull    = fmt.Errorf("%d devices are logged already; end one first", maxLogged)
)

// MayLog says why a device may not be logged.
func (h *Household) MayLog(d Device) error {
	p := h.Person(d.Person)
	switch {
	case p == nil:
		return ErrLogNobodys
	case h.sees(*p) == SeesNothing:
		return ErrLogGrown
	}
	return nil
}

// Logged are the devices of a person that are being logged at a moment, each
// with the time it ends in its Logged: what the person is told.
func (h *Household) Logged(id filter.PolicyID, now time.Time) []Device {
	var logged []Device
	for _, d := range h.Devices {
		if d.Person == id && d.Logged.After(now) && h.MayLog(d) == nil {
			logged = append(logged, d)
		}
	}
	return logged
}

// LogEntry is one name a logged device asked for.
type LogEntry struct {
	At      time.Time
	Name    filter.Name
	Verdict filter.Verdict
}

// journal is what is remembered of names. The zero journal remembers nothing
// yet.
type journal struct {
	mu   sync.Mutex
	last map[remembered]*lastBlock
	logs map[DeviceID]*deviceLog
}

// remembered is a device, or the address of one that nobody has seen.
type remembered struct {
	device DeviceID
	addr   netip.Addr
}

type lastBlock struct {
	at   time.Time
	name filter.Name // its memory is used again
}

type deviceLog struct {
	entries []LogEntry
	bytes   int
}

// Record remembers a name as far as it may be: if it was blocked, and if its
// device is being logged. It is called with every query but those of lifeline
// and sealed names, and keeps neither name nor id; id is as in
// Clients.Identify. A query that is answered
// takes no lock.
func (f *Family) Record(source netip.Addr, id []byte, name filter.Name, v filter.Verdict, at time.Time) {
	if v.Rule == filter.RuleLifeline || v.Rule == filter.RuleSealed {
		return
	}
	clients := f.now.Load().clients
	who := clients.owner(source, id)
	logged := clients.logged[who.device].After(at)
	blocked := isNews(v.Rule) && v.Action == filter.Block
	if !logged && !blocked || who.device == 0 && id != nil { // the address is dnsmasq's and nobody's
		return
	}
	key := remembered{device: who.device}
	if who.device == 0 {
		key.addr = source.Unmap().WithZone("")
	}
	f.journal.mu.Lock()
	defer f.journal.mu.Unlock()
	if blocked {
		f.journal.keepBlock(key, name, at)
	}
	if logged {
		f.journal.keepEntry(who.device, LogEntry{at, slices.Clone(name), v})
	}
}

// isNews tells whether a rule blocks something because of what it is. Nights and
// pauses are no news.
func isNews(r filter.Rule) bool {
	switch r {
	case filter.RuleBlock, filter.RuleService, filter.RuleCategory, filter.RuleAllowList:
		return true
	}
	return false
}

// keepBlock replaces a device's last block. The caller holds mu.
func (j *journal) keepBlock(key remembered, name filter.Name, at time.Time) {
	b := j.last[key]
	if b == nil {
		if len(j.last) >= maxRemembered {
			return // what is too old is dropped within a minute
		}
		if j.last == nil {
			j.last = map[remembered]*lastBlock{}
		}
		b = &lastBlock{}
		j.last[key] = b
	}
	b.at, b.name = at, append(b.name[:0], name...)
}

// keepEntry adds to a device's log. The caller holds mu.
func (j *journal) keepEntry(id DeviceID, e LogEntry) {
	l := j.logs[id]
	if l == nil {
		if len(j.logs) >= maxLogged {
			return
		}
		if j.logs == nil {
			j.logs = map[DeviceID]*deviceLog{}
		}
		l = &deviceLog{}
		j.logs[id] = l
	}
	l.entries = append(l.entries, e)
	l.bytes += len(e.Name) + logOverhead
	drop := 0
	for ; l.bytes > logBytes; drop++ {
		l.bytes -= len(l.entries[drop].Name) + logOverhead
	}
	l.entries = slices.Delete(l.entries, 0, drop)
}

// LastBlock is the last name that was blocked for the device at an address, if
// that was within five minutes before now. Nights and pauses do not count.
func (f *Family) LastBlock(addr netip.Addr) (name filter.Name, at time.Time, ok bool) {
	addr = addr.Unmap().WithZone("")
	key := remembered{device: f.now.Load().clients.owner(addr, nil).device}
	if key.device == 0 {
		key.addr = addr
	}
	f.journal.mu.Lock()
	defer f.journal.mu.Unlock()
	b := f.journal.last[key]
	if b == nil || !fresh(b.at, f.opt.Now()) {
		return nil, time.Time{}, false
	}
	return slices.Clone(b.name), b.at, true
}

// fresh tells whether a block is still remembered. A clock that was set back
// does not make it last.
func fresh(at, now time.Time) bool {
	age := now.Sub(at)
	return age > -blockMemory && age <= blockMemory
}

// Log is what a logged device has asked for, the oldest first; nothing once the
// logging has ended.
func (f *Family) Log(id DeviceID) []LogEntry {
	if !f.now.Load().clients.logged[id].After(f.opt.Now()) {
		return nil
	}
	f.journal.mu.Lock()
	defer f.journal.mu.Unlock()
	if l := f.journal.logs[id]; l != nil {
		return slices.Clone(l.entries)
	}
	return nil
}

// clear forgets everything.
func (j *journal) clear() {
	j.mu.Lock()
	defer j.mu.Unlock()
	j.last, j.logs = nil, nil
}

// forget drops what has become too old, and the logs of devices that are no
// longer logged. Run does it every minute, and put with every change, so that a
// log is gone when it is stopped.
func (f *Family) forget() {
	now, logged := f.opt.Now(), f.now.Load().clients.logged
	f.journal.mu.Lock()
	defer f.journal.mu.Unlock()
	for key, b := range f.journal.last {
		if !fresh(b.at, now) {
			delete(f.journal.last, key)
		}
	}
	for id, l := range f.journal.logs {
		if !logged[id].After(now) {
			delete(f.journal.logs, id)
			continue
		}
		old := 0
		for old < len(l.entries) && now.Sub(l.entries[old].At) > MaxLogging {
			l.bytes -= len(l.entries[old].Name) + logOverhead
			old++
		}
		l.entries = slices.Delete(l.entries, 0, old)
	}
}
