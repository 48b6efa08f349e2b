// Package sample is a family in memory, for the tests of the pages and for the
// server they are looked at with. It judges names with the catalogue.
package sample

import (
	"bytes"
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"sync"
	"time"

	"github.com/treehouse-dns/treehouse/blocklists"
	"github.com/treehouse-dns/treehouse/blocklists/catalogue"
	"github.com/treehouse-dns/treehouse/filter"
	"github.com/treehouse-dns/treehouse/household"
	"github.com/treehouse-dns/treehouse/web"
)

// Home is a web.Home that writes nothing down.
type Home struct {
	Now    func() time.Time
	Broken error // what Change gives, for tests of failure

	trie   *filter.Trie
	topics []filter.Topic

	mu      sync.Mutex
	house   *household.Household
	snap    *filter.Snapshot
	told    map[chan<- struct{}]bool
	blocks  map[netip.Addr]web.Blocked
	trouble []web.Trouble
	logs    map[household.DeviceID][]household.LogEntry
	nothing bool // is counted
	unread  bool // the counts are
}

// New is the sample family at a time: Ana (9), Ben (14) and Maria, on 127.0.0.2,
// 127.0.0.3 and 127.0.0.4.
func New(now func() time.Time, zone *time.Location) (*Home, error) {
	trie, err := compile()
	if err != nil {
		return nil, err
	}
	h := &Home{Now: now, trie: trie, topics: catalogue.Topics(), told: map[chan<- struct{}]bool{}, blocks: map[netip.Addr]web.Blocked{}}
	family := household.Sample(now(), household.DefaultBands(), zone)
	for i := range family.People {
		family.People[i].Exceptions = nil // the real hours, so that there is something to see
	}
	h.put(family)
	return h, nil
}

// Empty takes everybody out.
func (h *Home) Empty() {
	h.put(household.New(household.DefaultBands(), h.Household().Zone()))
}

func (h *Home) put(family *household.Household) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.house, h.snap = family, filter.NewSnapshot(h.trie, nil, family.Policies())
	for c := range h.told {
		select {
		case c <- struct{}{}:
		default:
		}
	}
}

// Household is the one in force.
func (h *Home) Household() *household.Household {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.house
}

// Change alters a copy and puts it in force.
func (h *Home) Change(change func(*household.Household) error) error {
	if h.Broken != nil {
		return h.Broken
	}
	now := h.Household()
	next := *now
	next.People = slices.Clone(now.People)
	for i := range next.People {
		p := &next.People[i]
		p.Names, p.Exceptions, p.Tickets, p.Homework = slices.Clone(p.Names), slices.Clone(p.Exceptions), slices.Clone(p.Tickets), slices.Clone(p.Homework)
		switches := map[string]bool{}
		for k, v := range p.Switch {
			switches[k] = v
		}
		p.Switch = switches
	}
	next.Devices, next.Requests, next.Reports = slices.Clone(now.Devices), slices.Clone(now.Requests), slices.Clone(now.Reports)
	if err := change(&next); err != nil {
		return err
	}
	next.Tidy(h.Now())
	h.put(&next)
	return nil
}

// Notify puts an empty struct into c at every change.
func (h *Home) Notify(c chan<- struct{}) (stop func()) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.told[c] = true
	return func() {
		h.mu.Lock()
		defer h.mu.Unlock()
		delete(h.told, c)
	}
}

// Whose tells whose device is at an address.
func (h *Home) Whose(addr netip.Addr) (household.DeviceID, filter.PolicyID) {
	for _, d := range h.Household().Devices {
		if slices.Contains(d.Addrs, addr) {
			return d.ID, d.Person
		}
	}
	return 0, 0
}

// Decide judges a name.
func (h *Home) Decide(person filter.PolicyID, name filter.Name, at time.Time) (filter.Verdict, filter.Topic) {
	h.mu.Lock()
	snap := h.snap
	h.mu.Unlock()
	v := snap.DecideAt(filter.Client{Policy: person}, name, at)
	if !v.HasTopic {
		return v, filter.Topic{}
	}
	return v, snap.Trie().Topic(v.Topic)
}

// LastBlock is the last block that Block noted.
func (h *Home) LastBlock(addr netip.Addr) (web.Blocked, bool) {
	h.mu.Lock()
	defer h.mu.Unlock()
	b, ok := h.blocks[addr]
	return b, ok
}

// Block notes a block, as the resolver would.
func (h *Home) Block(addr netip.Addr, name string, at time.Time) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.blocks[addr] = web.Blocked{Name: filter.MustName(name), At: at}
}

// Counts says what Weeks gives from now on: "some", "none" or "unread".
func (h *Home) Counts(how string) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.nothing, h.unread = how == "none", how == "unread"
}

// Weeks is three weeks, the same for everyone.
func (h *Home) Weeks(filter.PolicyID) ([]household.Week, error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.unread || h.nothing {
		return nil, map[bool]error{true: errors.New("the file cannot be read")}[h.unread]
	}
	var weeks []household.Week
	for i, counts := range []household.Counts{
		{Blocked: 61, Topics: map[string]uint64{"tiktok": 34, "gambling": 2, "adult": 1, "snapchat": 21, "p2p": 3}},
		{Blocked: 43, Topics: map[string]uint64{"tiktok": 43}},
		{Blocked: 88, Topics: map[string]uint64{"roblox": 88}},
	} {
		year, week := h.Now().AddDate(0, 0, -7*i).ISOWeek()
		weeks = append(weeks, household.Week{Week: fmt.Sprintf("%04d-W%02d", year, week), Counts: counts})
	}
	return weeks, nil
}

// Log is what Ask noted of a device.
func (h *Home) Log(id household.DeviceID) []household.LogEntry {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.logs[id]
}

// Ask has a device ask for a name, as the resolver would note it.
func (h *Home) Ask(id household.DeviceID, name string, at time.Time) {
	h.AskName(id, filter.MustName(name), at)
}

// AskName is Ask for a name that nobody would write.
func (h *Home) AskName(id household.DeviceID, name filter.Name, at time.Time) {
	d := h.Household().Device(id)
	if d == nil || !d.Logged.After(at) {
		return
	}
	v, _ := h.Decide(d.Person, name, at)
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.logs == nil {
		h.logs = map[household.DeviceID][]household.LogEntry{}
	}
	h.logs[id] = append(h.logs[id], household.LogEntry{At: at, Name: name, Verdict: v})
}

// Keepers are the catalogue and two lists, one of which nobody is known to keep.
func (h *Home) Keepers() map[string]string {
	return map[string]string{"": blocklists.CatalogueKeeper, "adults-list": "mailto:lists@lists.example", "by-hand": ""}
}

// Listed is the catalogue and one list for everything.
func (h *Home) Listed(filter.Name, string) []string { return []string{"", "adults-list"} }

// Looked takes the trouble of a backup away.
func (h *Home) Looked() error {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.trouble = slices.DeleteFunc(slices.Clone(h.trouble), func(t web.Trouble) bool { return t == web.TroubleRestored })
	return nil
}

// Topics are the catalogue's.
func (h *Home) Topics() []filter.Topic { return h.topics }

// Health is what Trouble said.
func (h *Home) Health() []web.Trouble {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.trouble
}

// Trouble says what is wrong from now on.
func (h *Home) Trouble(t ...web.Trouble) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.trouble = t
}

// Vault is a web.Vault that writes nothing down.
type Vault struct {
	mu    sync.Mutex
	value []byte
	Full  bool // Save fails
}

// Load gives what was saved last.
func (v *Vault) Load() ([]byte, error) {
	v.mu.Lock()
	defer v.mu.Unlock()
	return v.value, nil
}

// Save keeps a value.
func (v *Vault) Save(value []byte) error {
	v.mu.Lock()
	defer v.mu.Unlock()
	if v.Full {
		return errors.New("there is no space left")
	}
	v.value = bytes.Clone(value)
	return nil
}

// compile makes a trie of the catalogue.
func compile() (*filter.Trie, error) {
	topics := catalogue.Topics()
	index := map[string]filter.TopicID{}
	for i, topic := range topics {
		index[topic.ID] = filter.TopicID(i)
	}
	var entries []filter.Entry
	catalogue.Entries(func(id string, name filter.Name, mode filter.Mode) bool {
		entries = append(entries, filter.Entry{Name: name, Topic: index[id], Mode: mode})
		return true
	})
	slices.SortStableFunc(entries, func(a, b filter.Entry) int { return a.Name.Compare(b.Name) })
	var buf bytes.Buffer
	_, err := filter.BuildTrie(&buf, topics, func(yield func(filter.Entry) bool) error {
		for _, e := range entries {
			if !yield(e) {
				break
			}
		}
		return nil
	}, filter.BuildOptions{})
	if err != nil {
		return nil, err
	}
	return filter.OpenTrie(buf.Bytes())
}
