package household

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"hash/maphash"
	"maps"
	"math/rand/v2"
	"net/netip"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/treehouse-dns/treehouse/filter"
	"github.com/treehouse-dns/treehouse/store"
)

// openFamily is a family in a new file, at noon on a Monday.
func openFamily(t *testing.T, path string) *Family {
	t.Helper()
	file, err := store.Open(path, store.Options{})
	if err != nil {
		t.Fatal(err)
	}
	f, err := Open(file, Options{Now: func() time.Time { return monday }})
	if err != nil {
		t.Fatal(err)
	}
	return f
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// addAna is a change that adds Ana, nine, and her tablet.
func addAna(h *Household) error {
	p, err := h.AddPerson(Person{Name: "Ana", Band: "6-9", Born: Born{2017, time.March}})
	if err == nil {
		_, err = h.AddDevice(Device{Name: "Ana's tablet", Person: p.ID, Addrs: []netip.Addr{netip.MustParseAddr("192.168.1.20")}})
	}
	return err
}

// TestTwoWriters: the daemon and the command line change one file, and neither
// loses what the other wrote.
func TestTwoWriters(t *testing.T) {
	path := filepath.Join(t.TempDir(), "household.db")
	daemon, cli := openFamily(t, path), openFamily(t, path)
	must(t, daemon.Change(addAna))
	if cli.Household().PersonNamed("ana") != nil {
		t.Error("the command line knows before it has looked")
	}
	must(t, cli.Change(func(h *Household) error { return h.Pause(1, monday, time.Time{}) }))
	must(t, daemon.Change(func(h *Household) error { return h.SetSwitch(1, "roblox", true) }))
	must(t, cli.Reload())
	for name, f := range map[string]*Family{"daemon": daemon, "command line": cli, "after a restart": openFamily(t, path)} {
		ana := f.Household().PersonNamed("ANA")
		if ana == nil || ana.Paused.From.IsZero() || !ana.Switch["roblox"] || ana.Born != (Born{2017, time.March}) {
			t.Errorf("%s: %+v", name, ana)
		}
		if got := f.Identify(netip.MustParseAddr("192.168.1.20"), nil); got.Policy != 1 {
			t.Errorf("%s: Ana's tablet is policy %d", name, got.Policy)
		}
	}
}

// TestChangeThatFails changes nothing and tells nobody.
func TestChangeThatFails(t *testing.T) {
	f := openFamily(t, filepath.Join(t.TempDir(), "household.db"))
	must(t, f.Change(addAna))
	told := make(chan struct{}, 1)
	defer f.Notify(told)()
	before := f.Household()
	if err := f.Change(func(h *Household) error {
		h.Person(1).Name = "Eve"
		return errors.New("no")
	}); err == nil {
		t.Error("no error")
	}
	if err := f.Change(func(h *Household) error { h.Person(1).Band = "7-8"; return nil }); err == nil || !strings.Contains(err.Error(), "7-8") {
		t.Errorf("a band that does not exist: %v", err)
	}
	if f.Household() != before || f.Household().Person(1).Name != "Ana" {
		t.Error("the household changed")
	}
	must(t, f.Reload())
	select {
	case <-told:
		t.Error("told of nothing")
	default:
	}
	must(t, f.Change(func(h *Household) error { return h.RenameDevice(1, "The tablet") }))
	<-told
}

func TestBackupRestoreErase(t *testing.T) {
	dir := t.TempDir()
	f := openFamily(t, filepath.Join(dir, "household.db"))
	must(t, f.Change(addAna))
	var backup bytes.Buffer
	must(t, f.Backup(&backup))
	must(t, f.Erase())
	if n := len(f.Household().People); n != 0 {
		t.Errorf("%d people after erasing", n)
	}
	if got := f.Identify(netip.MustParseAddr("192.168.1.20"), nil); got.Policy != 0 {
		t.Error("the tablet is still Ana's after erasing")
	}
	must(t, f.Restore(bytes.NewReader(backup.Bytes())))
	if f.Household().PersonNamed("Ana") == nil {
		t.Error("Ana did not come back")
	}
	if err := f.Restore(strings.NewReader("<html>")); err == nil || f.Household().PersonNamed("Ana") == nil {
		t.Errorf("a restore from nonsense: %v", err)
	}
	// A whole backup of a family that cannot be: what was there stays.
	other := openFamily(t, filepath.Join(dir, "other.db"))
	must(t, other.file.Update(func(tx *store.Tx) error {
		b := tx.Bucket(bucketHousehold)
		if err := b.Put([]byte(keySchema), []byte("1")); err != nil {
			return err
		}
		return tx.Bucket(bucketPeople).Put([]byte(idKey(1)), []byte(`{"id":1,"name":"X","band":"unborn"}`))
	}))
	var impossible bytes.Buffer
	must(t, other.Backup(&impossible))
	if err := f.Restore(&impossible); err == nil || !strings.Contains(err.Error(), "unborn") {
		t.Errorf("a restore of an impossible family: %v", err)
	}
	must(t, f.Reload())
	if f.Household().PersonNamed("Ana") == nil {
		t.Error("Ana is gone")
	}
}

// TestRestored: who keeps something of their own in the file has a word on what a
// backup holds of it, before anybody sees it.
func TestRestored(t *testing.T) {
	const own, key = "own", "key"
	file, err := store.Open(filepath.Join(t.TempDir(), "household.db"), store.Options{})
	must(t, err)
	refuse := error(nil)
	f, err := Open(file, Options{Now: func() time.Time { return monday }, Restored: func(before, after *store.Tx) error {
		was, _ := before.Bucket(own).Get([]byte(key))
		backup, _ := after.Bucket(own).Get([]byte(key))
		return errors.Join(refuse, after.Bucket(own).Put([]byte(key), []byte(string(backup)+" after "+string(was))))
	}})
	must(t, err)
	put := func(value string) {
		must(t, file.Update(func(tx *store.Tx) error { return tx.Bucket(own).Put([]byte(key), []byte(value)) }))
	}
	want := func(value string) {
		t.Helper()
		must(t, file.View(func(tx *store.Tx) error {
			if got, err := tx.Bucket(own).Get([]byte(key)); err != nil || string(got) != value {
				t.Errorf("%q, %v, want %q", got, err, value)
			}
			return nil
		}))
	}
	put("old")
	var backup bytes.Buffer
	must(t, f.Backup(&backup))
	put("new")
	must(t, f.Restore(bytes.NewReader(backup.Bytes())))
	want("old after new")
	refuse = errors.New("no")
	if err := f.Restore(&backup); !errors.Is(err, refuse) {
		t.Errorf("it was not asked: %v", err)
	}
	want("old after new")
}

// TestNewerSchema: a file from a newer release is refused, not guessed at, and
// everyone has the safe profile meanwhile.
func TestNewerSchema(t *testing.T) {
	file, err := store.Open(filepath.Join(t.TempDir(), "household.db"), store.Options{})
	must(t, err)
	must(t, file.Update(func(tx *store.Tx) error { return tx.Bucket(bucketHousehold).Put([]byte(keySchema), []byte("99")) }))
	f, err := Open(file, Options{Now: func() time.Time { return monday }})
	if err == nil || !strings.Contains(err.Error(), "newer") {
		t.Fatalf("%v", err)
	}
	if p := f.Household().Policies(); len(p) != 1 || p[0].Band != string(DefaultBand) {
		t.Errorf("policies %+v", p)
	}
}

// TestIDsAreNeverUsedAgain: a new child does not inherit a removed one's devices.
func TestIDsAreNeverUsedAgain(t *testing.T) {
	f := openFamily(t, filepath.Join(t.TempDir(), "household.db"))
	must(t, f.Change(addAna))
	must(t, f.Change(func(h *Household) error { h.RemovePerson(1); return nil }))
	must(t, f.Change(func(h *Household) error {
		p, err := h.AddPerson(Person{Name: "Ben", Band: "13-15"})
		if err == nil && p.ID != 2 {
			t.Errorf("Ben has the number %d", p.ID)
		}
		return err
	}))
	if got := f.Identify(netip.MustParseAddr("192.168.1.20"), nil); got.Policy != 0 {
		t.Errorf("the tablet is %d's", got.Policy)
	}
}

// TestSampleSurvivesItsFile: what is written is what is read.
func TestSampleSurvivesItsFile(t *testing.T) {
	path := filepath.Join(t.TempDir(), "household.db")
	f := openFamily(t, path)
	sample := Sample(monday, DefaultBands(), time.UTC)
	must(t, f.Change(func(h *Household) error { *h = *sample.clone(); return nil }))
	if again := openFamily(t, path).Household(); !same(again, sample) || !again.Settings.Sample {
		t.Errorf("the sample came back as %+v", again)
	}
}

// fill makes a household as large as it may be.
func fill(h *Household) error { return crowd(h, MaxPeople, MaxDevices) }

// crowd adds people and their devices.
func crowd(h *Household, people, devices int) error {
	for i := range people {
		p, err := h.AddPerson(Person{Name: fmt.Sprintf("Person %d", i+1), Band: h.bands.Bands[i%len(h.bands.Bands)].ID})
		if err != nil {
			return err
		}
		for n := range 5 {
			if err := h.SetName(p.ID, fmt.Sprintf("site%d.example", n), n%2 == 0, monday, time.Time{}, ""); err != nil {
				return err
			}
		}
	}
	for i := range devices {
		if _, err := h.AddDevice(Device{
			Name: fmt.Sprintf("device %d", i+1), Person: filter.PolicyID(i%people + 1), MACs: []MAC{{2, 0, 0, 0, byte(i >> 8), byte(i)}},
			Addrs: []netip.Addr{netip.AddrFrom4([4]byte{10, 0, byte(i >> 8), byte(i)})},
		}); err != nil {
			return err
		}
	}
	return nil
}

// TestPoliciesCost holds the budget: 64 people and 1,000 devices in less than
// 1 MB beside the lists.
func TestPoliciesCost(t *testing.T) {
	h := New(DefaultBands(), time.UTC)
	must(t, fill(h))
	trie := compiled(t)
	type inForce struct {
		snapshot *filter.Snapshot
		clients  *Clients
	}
	who, bytes := kept(func() inForce {
		f := inForce{filter.NewSnapshot(trie, nil, h.Policies()), h.Clients(nil)}
		for _, p := range h.People { // the tables of the moment are made when somebody asks
			f.snapshot.Decide(filter.Client{Policy: p.ID}, filter.MustName("example.com"), monday)
		}
		return f
	})
	_, written := kept(func() *Household { return h.clone() })
	t.Logf("%d people and %d devices keep %d KiB in force and %d KiB as written", len(h.People), len(who.clients.byAddr), bytes>>10, written>>10)
	if bytes+written > 1<<20 {
		t.Errorf("%d bytes are over the megabyte", bytes+written)
	}
}

// BenchmarkChange is what a tap costs, from the file to the rules in force, in a
// home and in a full household.
func BenchmarkChange(b *testing.B) {
	trie := compiled(b)
	for _, size := range []struct {
		name            string
		people, devices int
	}{{"home", 5, 40}, {"full", MaxPeople, MaxDevices}} {
		b.Run(size.name, func(b *testing.B) {
			file, err := store.Open(filepath.Join(b.TempDir(), "household.db"), store.Options{})
			if err != nil {
				b.Fatal(err)
			}
			f, err := Open(file, Options{Now: func() time.Time { return monday }})
			if err != nil {
				b.Fatal(err)
			}
			if err := f.Change(func(h *Household) error { return crowd(h, size.people, size.devices) }); err != nil {
				b.Fatal(err)
			}
			var last *Household
			var policies []filter.Policy
			for b.Loop() {
				if err := f.Change(func(h *Household) error { return h.Pause(1, monday, time.Time{}) }); err != nil {
					b.Fatal(err)
				}
				policies, last = f.Household().PoliciesAfter(last, policies), f.Household()
				filter.NewSnapshot(trie, nil, policies)
			}
		})
	}
}

// same tells whether two households would be written alike.
func same(a, b *Household) bool {
	x, _, errX := a.records(nil, maphash.MakeSeed())
	y, _, errY := b.records(nil, maphash.MakeSeed())
	return errX == nil && errY == nil && maps.EqualFunc(x, y, bytes.Equal)
}

// TestIncrementalIsWhole holds that a household which has been changed again and
// again, by two processes, is the one that stands in the file, and that nothing
// which was given to a reader is altered by it.
func TestIncrementalIsWhole(t *testing.T) {
	random := rand.New(rand.NewPCG(3, 4))
	path := filepath.Join(t.TempDir(), "household.db")
	families := [2]*Family{openFamily(t, path), openFamily(t, path)}
	must(t, families[0].Change(func(h *Household) error { return crowd(h, 6, 40) }))
	must(t, families[1].Reload())
	anyone := func(h *Household) *Person { return &h.People[random.IntN(len(h.People))] }
	changes := []func(h *Household) error{
		func(h *Household) error { return h.Pause(anyone(h).ID, monday, monday.Add(time.Hour)) },
		func(h *Household) error { return h.SetSwitch(anyone(h).ID, "tiktok", random.IntN(2) == 0) },
		func(h *Household) error {
			_, err := h.MoreTime(anyone(h).ID, "group:gaming", time.Hour, monday, "more")
			return err
		},
		func(h *Household) error { // what a careless caller may do: alter in place
			p := anyone(h)
			for i := range p.Names {
				p.Names[i].Name = fmt.Sprintf("n%d.example", random.IntN(99))
			}
			for key := range p.Switch {
				p.Switch[key] = !p.Switch[key]
			}
			return nil
		},
		func(h *Household) error {
			d := &h.Devices[random.IntN(len(h.Devices))]
			if len(d.MACs) > 0 {
				d.MACs[0][5] ^= 1 << random.IntN(8)
			}
			d.Name = fmt.Sprintf("device %d", random.IntN(1000))
			return nil
		},
		func(h *Household) error {
			at := random.IntN(len(h.Devices))
			h.Devices = slices.Delete(h.Devices, at, at+1)
			return nil
		},
		func(h *Household) error {
			if len(h.People) > 3 {
				h.RemovePerson(anyone(h).ID)
			}
			return nil
		},
		func(h *Household) error {
			_, err := h.AddPerson(Person{Name: fmt.Sprint("child ", h.Settings.LastPerson), Band: "6-9"})
			return err
		},
		func(h *Household) error { _, err := h.AddDevice(Device{Name: "new"}); return err },
		func(h *Household) error {
			h.Settings.Paused = Pause{From: monday, Until: monday.Add(time.Hour)}
			return nil
		},
		func(h *Household) error {
			return h.KeepConnection(h.Devices[random.IntN(len(h.Devices))].ID, random.IntN(2) == 0)
		},
		func(*Household) error { return nil },
		func(h *Household) error { h.People[0].Name = "nobody"; return errors.New("no, after all") },
	}
	asJSON := func(v any) string {
		text, err := json.Marshal(v)
		must(t, err)
		return string(text)
	}
	var last *Household
	var policies []filter.Policy
	for step := range 120 {
		f, other := families[step%2], families[(step+1)%2]
		inForce := f.Household()
		before := asJSON(inForce)
		if f.Change(changes[random.IntN(len(changes))]) != nil { // which changes nothing, and leaves what the other did
			must(t, f.Reload())
		}
		if asJSON(inForce) != before {
			t.Fatalf("step %d has altered a household that readers have", step)
		}
		if random.IntN(3) > 0 { // else it meets the change in its own next one
			must(t, other.Reload())
		}
		whole := openFamily(t, path).Household()
		if got := f.Household(); !same(got, whole) || asJSON(got.Policies()) != asJSON(whole.Policies()) {
			t.Fatalf("after step %d:\n%s\nin the file:\n%s", step, asJSON(got), asJSON(whole))
		}
		policies, last = f.Household().PoliciesAfter(last, policies), f.Household()
		if asJSON(policies) != asJSON(whole.Policies()) {
			t.Fatalf("step %d: the policies are %s, and whole %s", step, asJSON(policies), asJSON(whole.Policies()))
		}
	}
}
