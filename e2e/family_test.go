//go:build linux

package e2e

import (
	"bytes"
	"fmt"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"
	_ "time/tzdata" // the stories are told in Madrid, on machines without zones too

	"github.com/treehouse-dns/treehouse/blocklists/catalogue"
	"github.com/treehouse-dns/treehouse/filter"
	"github.com/treehouse-dns/treehouse/household"
	"github.com/treehouse-dns/treehouse/resolver"
	"github.com/treehouse-dns/treehouse/store"
)

// TestFamily tells every story in testdata/family: a household in its own words,
// in its own file, under the built-in catalogue, and what a real resolver
// answers. The clock stands still but for what a story says. README.md there has
// the words.
func TestFamily(t *testing.T) {
	files, err := filepath.Glob("testdata/family/*.txt")
	if err != nil || len(files) == 0 {
		t.Fatal("no stories", err)
	}
	trie := catalogueTrie(t)
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		t.Run(strings.TrimSuffix(filepath.Base(file), ".txt"), func(t *testing.T) {
			h := newHouse(t, trie)
			for i, line := range strings.Split(string(text), "\n") {
				h.where = fmt.Sprintf("%s:%d", filepath.Base(file), i+1)
				if at := strings.Index(line, "# "); at == 0 || at > 0 && line[at-1] == ' ' {
					line = line[:at]
				}
				for _, part := range strings.Split(line, ";") {
					if words := quoted(part); len(words) > 0 {
						h.tell(words)
					}
				}
			}
			h.settle()
			if h.server != nil {
				h.server.Close()
			}
		})
	}
}

// catalogueTrie is the catalogue compiled.
func catalogueTrie(t *testing.T) *filter.Trie {
	topics := catalogue.Topics()
	ids := map[string]filter.TopicID{}
	for i, topic := range topics {
		ids[topic.ID] = filter.TopicID(i)
	}
	var entries []filter.Entry
	catalogue.Entries(func(id string, name filter.Name, mode filter.Mode) bool {
		entries = append(entries, filter.Entry{Name: name, Topic: ids[id], Mode: mode})
		return true
	})
	return (&stage{t: t, where: "the catalogue"}).trie(topics, entries)
}

// house is one story: a stage whose rules are a family's.
type house struct {
	*stage
	path    string
	zone    *time.Location
	now     time.Time // as the keeper has it
	system  time.Time // what the router's clock shows
	passed  time.Duration
	kept    bool // by an NTP client
	keeper  *household.Timekeeper
	file    *store.File
	family  *household.Family
	lists   *filter.Trie
	tally   *household.Tally
	network household.Network
	backup  []byte
	notices []string // what left the home
	names   []string // what the resolver told its journal since the last query
	err     error    // of the last statement, until a story expects it
}

func newHouse(t *testing.T, lists *filter.Trie) *house {
	zone, err := time.LoadLocation("Europe/Madrid")
	if err != nil {
		t.Fatal(err)
	}
	h := &house{
		stage: &stage{t: t, sources: map[netip.Addr]filter.PolicyID{}, macs: map[string]filter.PolicyID{}, local: map[string][]netip.Addr{}},
		path:  filepath.Join(t.TempDir(), "household.db"), zone: zone, now: time.Date(2026, 11, 23, 12, 0, 0, 0, zone), lists: lists,
		tally: &household.Tally{}, network: household.Network{Neighbours: map[netip.Addr]household.MAC{}},
	}
	h.where, h.system = "the beginning", h.now
	h.keeper = household.NewTimekeeper(household.TimeSources{
		Now: func() time.Time { return h.system }, Elapsed: func() time.Duration { return h.passed }, Kept: func() bool { return h.kept },
	}, h.now)
	h.config = resolver.Config{Filter: &h.live, Clients: h, Observer: h, Journal: h, Rate: -1, Now: func() time.Time { return h.now }}
	h.addUpstream()
	h.open()
	h.settle()
	return h
}

// Identify implements resolver.Clients by the family in force.
func (h *house) Identify(source netip.Addr, mac []byte) filter.Client {
	return h.family.Identify(source, mac)
}

// Observe implements resolver.Observer.
func (h *house) Observe(c filter.Client, v filter.Verdict) {
	h.tally.Observe(c, v)
	h.stage.Observe(c, v)
}

// Record implements resolver.Journal.
func (h *house) Record(source netip.Addr, mac []byte, name filter.Name, v filter.Verdict, at time.Time) {
	h.mu.Lock()
	h.names = append(h.names, strings.TrimSuffix(name.String(), "."))
	h.mu.Unlock()
	h.family.Record(source, mac, name, v, at)
}

// Notify implements household.Notifier.
func (h *house) Notify(n household.Notice) { h.notices = append(h.notices, n.String()) }

// open opens the family's file, as the daemon does when it starts.
func (h *house) open() {
	h.t.Helper()
	var err error
	if h.file, err = store.Open(h.path, store.Options{}); err != nil {
		h.fatal("%v", err)
	}
	h.family, h.err = household.Open(h.file, household.Options{Zone: h.zone, Now: func() time.Time { return h.now }, Notifier: h})
	h.family.SetNetwork(&h.network)
	h.bind()
}

// bind puts the family's rules in force, as the daemon does after every change.
func (h *house) bind() {
	in := h.family.Household()
	h.tally.Bind(in, h.lists)
	var sealed *filter.Trie
	if len(h.sealed) > 0 {
		sealed = h.trie([]filter.Topic{{ID: "sealed", Kind: filter.KindSealed}}, h.sealed)
	}
	policies := in.Policies()
	if !h.keeper.Trusted() {
		policies = in.PoliciesWithoutClock()
	}
	h.live.Store(filter.NewSnapshot(h.lists, sealed, policies))
}

// settle fails for an error that no story expected.
func (h *house) settle() {
	h.t.Helper()
	if h.err != nil {
		h.fail("%v", h.err)
	}
	h.err = nil
}

// quoted splits a statement into words; "two words" are one.
func quoted(s string) []string {
	var words []string
	for i, part := range strings.Split(s, `"`) {
		if i%2 == 1 {
			words = append(words, part)
		} else {
			words = append(words, strings.Fields(part)...)
		}
	}
	return words
}

// tell carries out one statement: the household's here, the stage's in do.
func (h *house) tell(w []string) {
	h.t.Helper()
	if w[0] == "refused" { // the last statement was, and said so
		if want := strings.Join(w[1:], " "); h.err == nil || !strings.Contains(h.err.Error(), want) {
			h.fail("the error is %v, want %q", h.err, want)
		}
		h.err = nil
		return
	}
	h.settle()
	if change, ok := h.changes()[w[0]]; ok {
		h.err = h.family.Change(func(in *household.Household) error { return change(in, w[1:]) })
		h.bind()
		return
	}
	if event, ok := h.events()[w[0]]; ok {
		h.err = event(w[1:])
		h.bind()
		return
	}
	if h.expected(w) {
		return
	}
	if w[0] == "query" {
		h.names = nil
	}
	h.do(w)
	if w[0] == "sealed" {
		h.bind()
	}
}

// someone finds a person; "nobody" and "everyone" are 0.
func (h *house) someone(in *household.Household, name string) filter.PolicyID {
	h.t.Helper()
	if name == "nobody" || name == "everyone" {
		return 0
	}
	p := in.PersonNamed(name)
	if p == nil {
		h.fatal("nobody is called %s", name)
	}
	return p.ID
}

func (h *house) thing(in *household.Household, name string) household.DeviceID {
	h.t.Helper()
	for _, d := range in.Devices {
		if d.Name == name {
			return d.ID
		}
	}
	h.fatal("no device is called %s", name)
	return 0
}

// moment reads 21:30 today or later, "2026-11-23 21:30", 30m or +30m.
func (h *house) moment(s string) time.Time {
	h.t.Helper()
	if d, err := time.ParseDuration(strings.TrimPrefix(s, "+")); err == nil {
		return h.now.Add(d)
	}
	if t, err := time.ParseInLocation("2006-01-02 15:04", s, h.zone); err == nil {
		return t
	}
	c, err := household.ParseClock(s)
	if err != nil {
		h.fatal("%v", err)
	}
	at := household.DateOf(h.now.In(h.zone)).At(int(c/60), int(c%60), h.zone)
	if !at.After(h.now) {
		at = household.DateOf(h.now.In(h.zone)).AddDays(1).At(int(c/60), int(c%60), h.zone)
	}
	return at
}

// ends reads "for 30m", "until 21:30", or nothing, which is for good.
func (h *house) ends(w []string) time.Time {
	if len(w) < 2 {
		return time.Time{}
	}
	return h.moment(w[1])
}

func (h *house) number(s string) int {
	n, err := strconv.Atoi(s)
	if err != nil {
		h.fatal("%v", err)
	}
	return n
}

func (h *house) stretch(w []string) household.Hours {
	from, to, _ := strings.Cut(w[0], "-")
	hours := household.Hours{Days: household.AllDays}
	var err error
	if hours.From, err = household.ParseClock(from); err == nil {
		hours.To, err = household.ParseClock(to)
	}
	if err != nil {
		h.fatal("%v", err)
	}
	if len(w) > 1 {
		hours.Days = household.DayKind(w[1])
	}
	return hours
}

// changes are what alters the household, by the word a story has for it.
func (h *house) changes() map[string]func(in *household.Household, w []string) error {
	return map[string]func(in *household.Household, w []string) error{
		"person": h.addsPerson, "device": h.addsDevice, "lease": h.leases,
		"remove": func(in *household.Household, w []string) error { in.RemovePerson(h.someone(in, w[0])); return nil },
		"assign": func(in *household.Household, w []string) error {
			return in.Assign(h.thing(in, w[0]), h.someone(in, w[1]))
		},
		"merge": func(in *household.Household, w []string) error {
			return in.Merge(h.thing(in, w[0]), h.thing(in, w[1]))
		},
		"log": func(in *household.Household, w []string) error {
			return in.LogDevice(h.thing(in, w[0]), h.now, h.ends(w[1:]), "")
		},
		"band": func(in *household.Household, w []string) error {
			return in.SetBand(h.someone(in, w[0]), household.BandID(w[1]))
		},
		"count": func(in *household.Household, w []string) error {
			if w[0] == "everyone" {
				in.SetCountingForAll(w[1] == "on")
				return nil
			}
			return in.SetCounting(h.someone(in, w[0]), w[1] == "on")
		},
		"not-yet": func(in *household.Household, w []string) error {
			return in.NotYet(h.someone(in, w[0]), household.BandID(w[1]))
		},
		"tell":    func(in *household.Household, w []string) error { return in.SetTell(household.Tell(w[0])) },
		"default": func(in *household.Household, w []string) error { return in.SetDefault(household.BandID(w[0])) },
		"overlay": func(in *household.Household, w []string) error { return in.SetOverlay(w[0], w[1] == "on") },
		"switch": func(in *household.Household, w []string) error {
			if w[2] == "default" {
				return in.ClearSwitch(h.someone(in, w[0]), w[1])
			}
			return in.SetSwitch(h.someone(in, w[0]), w[1], w[2] == "on")
		},
		"search": func(in *household.Household, w []string) error {
			return in.SetSearch(h.someone(in, w[0]), household.Search(w[1]))
		},
		"youtube": func(in *household.Household, w []string) error {
			return in.SetYouTube(h.someone(in, w[0]), household.YouTube(w[1]))
		},
		"unknown": func(in *household.Household, w []string) error {
			return in.SetUnknown(h.someone(in, w[0]), household.Unknown(w[1]))
		},
		"allow": func(in *household.Household, w []string) error {
			return in.SetName(h.someone(in, w[0]), w[1], true, h.now, h.ends(w[2:]), "")
		},
		"block": func(in *household.Household, w []string) error {
			return in.SetName(h.someone(in, w[0]), w[1], false, h.now, h.ends(w[2:]), "")
		},
		"grant": func(in *household.Household, w []string) error {
			return in.Grant(h.someone(in, w[0]), w[1], h.now, h.ends(w[2:]), "")
		},
		"awake": func(in *household.Household, w []string) error {
			return in.AwakeUntil(h.someone(in, w[0]), h.now, h.ends(w[1:]), "")
		},
		"night": func(in *household.Household, w []string) error {
			var nights []household.Hours
			for part := range slices.Chunk(w[1:], 2) {
				nights = append(nights, h.stretch(part))
			}
			return in.SetNights(h.someone(in, w[0]), nights)
		},
		"homework": func(in *household.Household, w []string) error {
			s := h.stretch(w[1:])
			return in.SetHomework(h.someone(in, w[0]), []household.Homework{{Days: s.Days, From: s.From, To: s.To}})
		},
		"holidays": func(in *household.Household, w []string) error { // FILE.ics
			file, err := os.Open(filepath.Join("testdata/family", w[0]))
			if err != nil {
				return err
			}
			defer file.Close()
			days, err := household.ReadHolidays(file, household.DateOf(h.now))
			if err != nil {
				return err
			}
			return in.SetHolidays(days)
		},
		"pause": func(in *household.Household, w []string) error {
			if w[0] == "everyone" {
				return in.PauseEveryone(h.now, h.ends(w[1:]))
			}
			return in.Pause(h.someone(in, w[0]), h.now, h.ends(w[1:]))
		},
		"resume": func(in *household.Household, w []string) error {
			if w[0] == "everyone" {
				in.ResumeEveryone()
				return nil
			}
			return in.Resume(h.someone(in, w[0]))
		},
		"more-time": func(in *household.Household, w []string) error { // PERSON OF MINUTES
			_, err := in.MoreTime(h.someone(in, w[0]), w[1], time.Duration(h.number(w[2]))*time.Minute, h.now, "")
			return err
		},
		"ticket": func(in *household.Household, w []string) error { // PERSON OF MINUTES [until]
			return in.GiveTicket(h.someone(in, w[0]), household.Ticket{Of: w[1], Minutes: h.number(w[2]), Expires: h.ends(w[3:])}, h.now)
		},
		"redeem": func(in *household.Household, w []string) error {
			_, err := in.Redeem(h.someone(in, w[0]), 0, h.now)
			return err
		},
		"ask": func(in *household.Household, w []string) error { // PERSON SITE [WORDS] | PERSON OF MINUTES
			r := household.Request{Person: h.someone(in, w[0])}
			if n, err := strconv.Atoi(w[len(w)-1]); err == nil && len(w) == 3 {
				r.Of, r.Length = w[1], n
			} else {
				r.Site, r.Words = w[1], strings.Join(w[2:], " ")
			}
			_, err := in.Ask(r, h.now)
			return err
		},
		"answer-request": func(in *household.Household, w []string) error { // N yes|no [for 30m] [WORDS]
			until, rest := time.Time{}, w[2:]
			if len(rest) >= 2 && rest[0] == "for" {
				until, rest = h.moment(rest[1]), rest[2:]
			}
			return in.AnswerRequest(household.RequestID(h.number(w[0])), w[1] == "yes", h.now, until, strings.Join(rest, " "))
		},
		"import": h.imports,
		"full-house": func(in *household.Household, w []string) error {
			for i := len(in.People); i < household.MaxPeople; i++ {
				if _, err := in.AddPerson(household.Person{Name: fmt.Sprintf("Person %d", i), Band: in.Bands().Bands[i%6].ID}); err != nil {
					return err
				}
			}
			for i := len(in.Devices); i < household.MaxDevices; i++ {
				d := household.Device{Name: fmt.Sprintf("device %d", i), Person: in.People[i%len(in.People)].ID, MACs: []household.MAC{{2, 1, 1, 0, byte(i >> 8), byte(i)}}}
				if _, err := in.AddDevice(d); err != nil {
					return err
				}
			}
			return nil
		},
	}
}

// addsPerson is person NAME AGE|BAND [born=2017-03].
func (h *house) addsPerson(in *household.Household, w []string) error {
	p := household.Person{Name: w[0], Band: household.BandID(w[1])}
	if age, err := strconv.Atoi(w[1]); err == nil {
		p.Band, p.Born = in.Bands().ForAge(age).ID, household.BornAgo(age, h.now.In(h.zone))
	}
	for _, o := range w[2:] {
		if err := p.Born.UnmarshalText([]byte(strings.TrimPrefix(o, "born="))); err != nil {
			return err
		}
	}
	_, err := in.AddPerson(p)
	return err
}

// addsDevice is device NAME OWNER [ADDRESS|MAC]...
func (h *house) addsDevice(in *household.Household, w []string) error {
	d := household.Device{Name: w[0], Person: h.someone(in, w[1])}
	for _, id := range w[2:] {
		if mac, err := household.ParseMAC(id); err == nil {
			d.MACs = append(d.MACs, mac)
		} else {
			d.Addrs = append(d.Addrs, netip.MustParseAddr(id))
		}
	}
	_, err := in.AddDevice(d)
	return err
}

// leases is lease ADDRESS MAC [HOST [CLIENT]]: the device has joined the network,
// and the household learns of it.
func (h *house) leases(in *household.Household, w []string) error {
	mac, err := household.ParseMAC(w[1])
	if err != nil {
		return err
	}
	l := household.Lease{Addr: netip.MustParseAddr(w[0]), MAC: mac}
	if len(w) > 2 {
		l.Host = w[2]
	}
	if len(w) > 3 {
		l.Client = w[3]
	}
	next := household.Network{Neighbours: map[netip.Addr]household.MAC{l.Addr: mac}, Leases: append(slices.Clone(h.network.Leases), l)}
	for a, m := range h.network.Neighbours {
		if a != l.Addr {
			next.Neighbours[a] = m
		}
	}
	h.network = next
	_, err = in.Observe(l, h.now)
	return err
}

// imports is import BAND FILE, another program's family.
func (h *house) imports(in *household.Household, w []string) error {
	file, err := os.Open(filepath.Join("testdata/family", w[1]))
	if err != nil {
		return err
	}
	defer file.Close()
	known := func(id string) bool {
		return slices.ContainsFunc(catalogue.Topics(), func(t filter.Topic) bool { return t.ID == id && t.Kind == filter.KindService })
	}
	read := func() (*household.Foreign, error) { return household.ReadAdGuardHome(file, known) }
	if strings.HasSuffix(w[1], ".gz") {
		read = func() (*household.Foreign, error) { return household.ReadPiHole(file) }
	}
	foreign, err := read()
	if err != nil {
		return err
	}
	return in.Take(foreign, household.BandID(w[0]), h.now)
}

// events are what happens to the house, by the word a story has for it.
func (h *house) events() map[string]func(w []string) error {
	return map[string]func(w []string) error{
		"clock": func(w []string) error { // time passes
			d := h.moment(strings.Join(w, " ")).Sub(h.now)
			h.system, h.passed = h.system.Add(d), h.passed+d
			h.looks()
			return nil
		},
		"ntp": func(w []string) error { // [+3h|-3h]: it keeps the clock, and sets it wrong
			h.kept = true
			if len(w) > 0 {
				d, err := time.ParseDuration(strings.TrimPrefix(w[0], "+"))
				if err != nil {
					return err
				}
				h.system = h.system.Add(d)
			}
			h.looks()
			return nil
		},
		"confirm-clock": func([]string) error {
			if !h.keeper.Confirm(h.system) {
				return fmt.Errorf("there was nothing to confirm")
			}
			h.looks()
			return nil
		},
		"restart": func([]string) error { h.open(); return h.err },
		"neighbours": func([]string) error { // the router sees them now
			n := h.network
			h.family.SetNetwork(&n)
			return nil
		},
		"erase": func([]string) error { return h.family.Erase() },
		"backup": func([]string) error {
			var b bytes.Buffer
			err := h.family.Backup(&b)
			h.backup = b.Bytes()
			return err
		},
		"save-backup": func([]string) error { return h.file.SaveBackup() },
		"restore": func(w []string) error { // [FILE]
			if len(w) == 0 {
				return h.family.Restore(bytes.NewReader(h.backup))
			}
			file, err := os.Open(filepath.Join("testdata/family", w[0]))
			if err != nil {
				return err
			}
			defer file.Close()
			return h.family.Restore(file)
		},
		"damage":    func([]string) error { return os.WriteFile(h.path, bytes.Repeat([]byte("no database "), 1000), 0o600) },
		"cut":       func(w []string) error { return os.Truncate(h.path, int64(h.number(w[0]))) },
		"full-disk": func([]string) error { return h.movesToFullDisk() },
		"kill-9":    func(w []string) error { h.killed(h.number(w[0])); return nil },
		"flush":     func([]string) error { return h.family.FlushCounts(h.tally) },
	}
}

// looks compares the clocks, as the daemon does every second.
func (h *house) looks() {
	h.keeper.Look()
	h.now = h.keeper.Now()
}

// expected checks what a story expects of the household; ok is false where the
// word is none of these.
func (h *house) expected(w []string) (ok bool) {
	h.t.Helper()
	in := h.family.Household()
	at := func(t time.Time) string {
		if t.IsZero() {
			return "for good"
		}
		return t.In(h.zone).Format("2006-01-02 15:04")
	}
	var got string
	switch w[0] {
	case "people":
		got = fmt.Sprint(len(in.People))
	case "devices":
		got = fmt.Sprint(len(in.Devices))
	case "requests":
		got = fmt.Sprint(len(in.Requests))
	case "state": // state PERSON IS [until WHEN]
		s := in.State(h.someone(in, w[1]), h.now)
		if got = string(s.Is); len(w) > 3 {
			got += " until " + at(s.Until)
		}
		w = w[1:]
	case "band-of":
		got, w = string(in.Person(h.someone(in, w[1])).Band), w[1:]
	case "proposed": // proposed PERSON BAND|nothing
		got = "nothing"
		if b, ok := in.Proposal(h.someone(in, w[1]), h.now); ok {
			got = string(b.ID)
		}
		w = w[1:]
	case "request": // request N waits|allowed|declined [WORDS]
		r := in.Request(household.RequestID(h.number(w[1])))
		switch {
		case r == nil:
			got = "gone"
		case r.Open():
			got = fmt.Sprintf("waits %d", 1+len(r.Again))
		case r.Answer.Allow:
			got = "allowed " + at(r.Answer.Until)
		default:
			got = "declined " + r.Answer.Words
		}
		w = w[1:]
	case "whose": // whose ADDRESS DEVICE PERSON
		device, person := h.family.Whose(netip.MustParseAddr(w[1]))
		got = "unseen nobody"
		if d := in.Device(device); d != nil {
			got = d.Name + " nobody"
			if p := in.Person(person); p != nil {
				got = d.Name + " " + p.Name
			}
		}
		w = w[1:]
	case "similar": // similar DEVICE OTHER...
		for _, d := range in.Similar(h.thing(in, w[1])) {
			got += d.Name
		}
		w = w[1:]
	case "tickets":
		got, w = fmt.Sprint(len(in.Person(h.someone(in, w[1])).Tickets)), w[1:]
	case "counted": // counted PERSON BLOCKED [TOPIC=N]
		weeks, err := h.family.Weeks(h.someone(in, w[1]))
		if got = "nothing"; err == nil && len(weeks) > 0 {
			got = fmt.Sprint(weeks[0].Blocked)
			for topic, n := range weeks[0].Topics {
				got += fmt.Sprintf(" %s=%d", topic, n)
			}
		}
		w = w[1:]
	case "last-block":
		name, _, ok := h.family.LastBlock(netip.MustParseAddr(w[1]))
		if got = "none"; ok {
			got = strings.TrimSuffix(name.String(), ".")
		}
		w = w[1:]
	case "logged": // logged DEVICE NAME...
		for _, e := range h.family.Log(h.thing(in, w[1])) {
			got = strings.TrimSpace(got + " " + strings.TrimSuffix(e.Name.String(), "."))
		}
		w = w[1:]
	case "told-of-log": // told-of-log PERSON N
		got, w = fmt.Sprint(len(in.Logged(h.someone(in, w[1]), h.now))), w[1:]
	case "told": // what left the home since it was looked at last
		got, h.notices = strings.Join(h.notices, " "), nil
	case "house-time": // HH:MM trusted|doubted
		got = h.now.In(h.zone).Format("15:04") + " trusted"
		if !h.keeper.Trusted() {
			got = h.now.In(h.zone).Format("15:04") + " doubted"
		}
	case "journal": // the names of the last query that were told
		got = strings.Join(h.names, " ")
	case "recovered": // what was done about a damaged file at the start
		if got = "nothing"; h.file.Recovered() != nil {
			got = "empty"
			if h.file.Recovered().FromBackup {
				got = "backup"
			}
		}
	case "explain": // explain PERSON NAME WHEN RULE
		v := h.live.Load().DecideAt(filter.Client{Policy: h.someone(in, w[1])}, h.name(w[2]), h.moment(w[3]))
		got, w = v.Rule.String(), w[3:]
	default:
		return false
	}
	if want := strings.Join(w[1:], " "); got != want {
		h.fail("%s: %q, want %q", w[0], got, want)
	}
	return true
}
