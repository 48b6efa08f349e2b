package household

import (
	"fmt"
	"net/netip"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/treehouse-dns/treehouse/filter"
	"github.com/treehouse-dns/treehouse/store"
)

// blockedVerdict is one that somebody may want explained.
var blockedVerdict = filter.Verdict{Action: filter.Block, Rule: filter.RuleCategory}

// TestLastBlock: a device's page can explain the last block for five minutes, and
// afterwards the name is gone from memory, not only from the page.
func TestLastBlock(t *testing.T) {
	now := monday
	file, err := store.Open(filepath.Join(t.TempDir(), "household.db"), store.Options{})
	must(t, err)
	f, err := Open(file, Options{Now: func() time.Time { return now }})
	must(t, err)
	must(t, f.Change(twoPeople))

	f.SetNetwork(&Network{Neighbours: map[netip.Addr]MAC{anaAddr: anaMAC}})
	name := filter.MustName("bad.example")
	f.Record(netip.MustParseAddr("127.0.0.1"), anaMAC[:], name, blockedVerdict, now) // by dnsmasq beside us
	copy(name, filter.MustName("xxx.example"))                                       // the name was only lent
	if got, at, ok := f.LastBlock(anaAddr); !ok || got.String() != "bad.example." || !at.Equal(now) {
		t.Errorf("the last block is %s at %s, %t", got, at, ok)
	}
	for _, quiet := range []filter.Verdict{
		{Action: filter.Pass, Rule: filter.RuleNone}, {Action: filter.Block, Rule: filter.RuleBedtime}, {Action: filter.Block, Rule: filter.RulePaused},
		{Action: filter.Block, Rule: filter.RuleSealed}, {Rule: filter.RuleLifeline}, {Action: filter.Rewrite, Rule: filter.RuleSafeSearch},
	} {
		f.Record(anaAddr, nil, filter.MustName("other.example"), quiet, now)
		if got, _, _ := f.LastBlock(anaAddr); got.String() != "bad.example." {
			t.Errorf("%s is remembered as %s", quiet.Rule, got)
		}
	}
	// A stranger's MAC behind dnsmasq leaves nothing under dnsmasq's address.
	f.Record(netip.MustParseAddr("127.0.0.1"), []byte{2, 9, 9, 9, 9, 9}, filter.MustName("other.example"), blockedVerdict, now)
	if got, _, ok := f.LastBlock(netip.MustParseAddr("127.0.0.1")); ok {
		t.Errorf("the router itself is shown %s", got)
	}
	now = now.Add(blockMemory)
	if _, _, ok := f.LastBlock(anaAddr); !ok {
		t.Error("forgotten within five minutes")
	}
	now = now.Add(time.Second)
	if _, _, ok := f.LastBlock(anaAddr); ok {
		t.Error("shown after five minutes")
	}
	f.forget()
	if n := len(f.journal.last); n != 0 {
		t.Errorf("%d names in memory after they were forgotten", n)
	}
}

// TestLastBlockEndsWithTheFamily: the next family's first device has the number
// of the last one's, and none of its names.
func TestLastBlockEndsWithTheFamily(t *testing.T) {
	path := filepath.Join(t.TempDir(), "household.db")
	f, elsewhere := openFamily(t, path), openFamily(t, path)
	must(t, f.Change(twoPeople))
	f.SetNetwork(&Network{Neighbours: map[netip.Addr]MAC{anaAddr: anaMAC}})
	f.Record(anaAddr, nil, filter.MustName("bad.example"), blockedVerdict, monday)
	if _, _, ok := f.LastBlock(anaAddr); !ok {
		t.Fatal("nothing is remembered")
	}
	must(t, elsewhere.Erase()) // by the command line
	must(t, f.Reload())
	must(t, f.Change(twoPeople))
	if name, _, ok := f.LastBlock(anaAddr); ok {
		t.Errorf("the next family reads %s", name)
	}
}

// TestLastBlockIsBounded: whoever makes up addresses fills a table and no more.
func TestLastBlockIsBounded(t *testing.T) {
	f := openFamily(t, filepath.Join(t.TempDir(), "household.db"))
	addr := anaAddr
	for range 3 * maxRemembered {
		f.Record(addr, nil, filter.MustName("bad.example"), blockedVerdict, monday)
		addr = addr.Next()
	}
	if n := len(f.journal.last); n != maxRemembered {
		t.Errorf("%d devices are remembered", n)
	}
}

// TestLogDevice: a parent may look for a fault on a young child's device, for a
// day at most, and the child is told; on nobody else's.
func TestLogDevice(t *testing.T) {
	now := monday
	file, err := store.Open(filepath.Join(t.TempDir(), "household.db"), store.Options{})
	must(t, err)
	f, err := Open(file, Options{Now: func() time.Time { return now }})
	must(t, err)
	must(t, f.Change(twoPeople))
	log := func(id DeviceID, until time.Time) error {
		return f.Change(func(h *Household) error { return h.LogDevice(id, now, until, "Maria") })
	}
	record := func(name string) {
		f.Record(anaAddr, anaMAC[:], filter.MustName(name), filter.Verdict{Rule: filter.RuleNone}, now)
	}
	record("before.example")
	if err := log(1, now.Add(25*time.Hour)); err == nil {
		t.Error("logged for more than a day")
	}
	must(t, log(1, now.Add(time.Hour)))
	if d := f.Household().Logged(1, now); len(d) != 1 || d[0].LoggedBy != "Maria" || !d[0].Logged.Equal(now.Add(time.Hour)) {
		t.Errorf("Ana is told of %+v", d)
	}
	record("one.example")
	f.Record(anaAddr, anaMAC[:], filter.MustName("helpline.example"), filter.Verdict{Rule: filter.RuleLifeline}, now)
	f.Record(anaAddr, anaMAC[:], filter.MustName("sealed.example"), filter.Verdict{Action: filter.Block, Rule: filter.RuleSealed}, now)
	if l := f.Log(1); len(l) != 1 || l[0].Name.String() != "one.example." {
		t.Errorf("the log is %v", l)
	}
	for i := range 5000 {
		record(fmt.Sprintf("n%d.example", i))
	}
	if l := f.Log(1); f.journal.logs[1].bytes > logBytes || len(l) < 1000 || l[len(l)-1].Name.String() != "n4999.example." {
		t.Errorf("%d entries in %d bytes", len(l), f.journal.logs[1].bytes)
	}
	must(t, log(1, time.Time{}))
	if len(f.journal.logs) != 0 {
		t.Error("the log is in memory after it was stopped")
	}
	must(t, log(1, now.Add(time.Hour)))
	if l := f.Log(1); l != nil {
		t.Errorf("a new log begins with %d entries of the one before", len(l))
	}
	record("one.example")
	now = now.Add(time.Hour)
	record("after.example")
	if l := f.Log(1); l != nil || len(f.Household().Logged(1, now)) != 0 {
		t.Errorf("%d entries after its time", len(l))
	}
	f.forget()
	if len(f.journal.logs) != 0 {
		t.Error("the log is in memory after its time")
	}

	// Another owner ends it, and so does growing up, however it comes about.
	must(t, log(1, now.Add(time.Hour)))
	must(t, f.Change(func(h *Household) error { return h.Assign(1, 2) }))
	if f.Household().Device(1).Logged != (time.Time{}) {
		t.Error("another owner inherits the logging")
	}
	must(t, f.Change(func(h *Household) error { return h.Assign(1, 1) }))
	must(t, log(1, now.Add(time.Hour)))
	must(t, f.Change(func(h *Household) error { return h.SetBand(1, "16-17") }))
	record("grown.example")
	if f.Log(1) != nil || len(f.Household().Logged(1, now)) != 0 {
		t.Error("a sixteen-year-old is logged")
	}
	for band, allowed := range map[BandID]bool{"0-5": true, "13-15": true, "16-17": false, Adult: false} {
		must(t, f.Change(func(h *Household) error { return h.SetBand(1, band) }))
		if err := log(1, now.Add(time.Hour)); (err == nil) != allowed {
			t.Errorf("%s: %v", band, err)
		}
		must(t, log(1, time.Time{}))
	}
	must(t, f.Change(func(h *Household) error { return h.Assign(1, 0) }))
	if err := log(1, now.Add(time.Hour)); err == nil || !strings.Contains(err.Error(), "assign") {
		t.Errorf("nobody's device: %v", err)
	}
}

// TestRecordCostsNothing: a query that passes on a device nobody looks at takes
// no memory, and one that is blocked none after the first.
func TestRecordCostsNothing(t *testing.T) {
	f := openFamily(t, filepath.Join(t.TempDir(), "household.db"))
	must(t, f.Change(twoPeople))
	name := filter.MustName("bad.example")
	f.Record(anaAddr, anaMAC[:], name, blockedVerdict, monday)
	for what, v := range map[string]filter.Verdict{"a blocked name": blockedVerdict, "a name that passes": {Rule: filter.RuleNone}} {
		if n := testing.AllocsPerRun(100, func() { f.Record(anaAddr, anaMAC[:], name, v, monday) }); n != 0 {
			t.Errorf("%s costs %v allocations", what, n)
		}
	}
}
