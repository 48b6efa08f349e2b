package main

import (
	"fmt"
	"net/netip"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/treehouse-dns/treehouse/filter"
	"github.com/treehouse-dns/treehouse/firewall"
	"github.com/treehouse-dns/treehouse/household"
	"github.com/treehouse-dns/treehouse/store"
)

// TestWhoIsPaused: by the clock and by a parent, each with their own end, and
// when the next of it changes.
func TestWhoIsPaused(t *testing.T) {
	noon := time.Date(2026, 11, 23, 12, 0, 0, 0, time.UTC) // a Monday
	now := noon
	file, err := store.Open(filepath.Join(t.TempDir(), "household.db"), store.Options{})
	if err != nil {
		t.Fatal(err)
	}
	family, err := household.Open(file, household.Options{Now: func() time.Time { return now }})
	if err != nil {
		t.Fatal(err)
	}
	policies := func() []filter.Policy { return family.Household().Policies() }
	pausesNow := func() pauses {
		return pausesAt(now, family.Reaches(), func(id filter.PolicyID) filter.Policy {
			of := policies()
			return of[slices.IndexFunc(of, func(p filter.Policy) bool { return p.ID == id })]
		})
	}
	change := func(what func(h *household.Household) error) {
		t.Helper()
		if err := family.Change(what); err != nil {
			t.Fatal(err)
		}
	}
	mac := func(n byte) household.MAC { return household.MAC{2, 0, 0, 0, 0, n} }
	change(func(h *household.Household) error {
		for _, p := range []household.Person{{Name: "Ana", Band: "6-9"}, {Name: "Maria", Band: household.Adult}} {
			if _, err := h.AddPerson(p); err != nil {
				return err
			}
		}
		for _, dev := range []household.Device{
			{Name: "tablet", Person: 1, MACs: []household.MAC{mac(1), mac(2)}},
			{Name: "laptop", Person: 2, MACs: []household.MAC{mac(3)}},
			{Name: "television", MACs: []household.MAC{mac(4)}},
			{Name: "thermostat", MACs: []household.MAC{mac(5)}, Keeps: true},
		} {
			if _, err := h.AddDevice(dev); err != nil {
				return err
			}
		}
		// An older file may hold what is refused today.
		h.Devices[0].MACs = append(h.Devices[0].MACs, household.MAC{}, household.MAC{0x33, 0x33, 0, 0, 0, 1})
		if err := h.SetNights(1, []household.Hours{{Days: household.AllDays, From: 20 * 60, To: 7 * 60}}); err != nil {
			return err
		}
		return h.SetDefault(household.Adult) // has no nights of its own
	})
	family.SetNetwork(&household.Network{Neighbours: map[netip.Addr]household.MAC{netip.MustParseAddr("192.168.1.20"): mac(1)}})
	check := func(what, want string, next time.Time) {
		t.Helper()
		p := pausesNow()
		var got []string
		for _, one := range p.devices {
			line := fmt.Sprint(one.mac[5])
			for _, a := range one.addrs {
				line += " at " + a.String()
			}
			if !one.until.IsZero() {
				line += one.until.UTC().Format(" until 15:04")
			}
			got = append(got, line)
		}
		if got := strings.Join(got, ", "); got != want || !p.next.Equal(next) {
			t.Errorf("%s: %q until %s, want %q until %s", what, got, p.next, want, next)
		}
		if len(p.exempt) != 1 || p.exempt[0] != mac(5) {
			t.Errorf("%s: exempt are %v", what, p.exempt)
		}
	}
	bedtime, morning := noon.Add(8*time.Hour), noon.Add(19*time.Hour)
	check("noon", "", bedtime)
	now = bedtime
	check("at bedtime", "1 at 192.168.1.20 until 07:00, 2 until 07:00", morning)
	change(func(h *household.Household) error { return h.PauseEveryone(now, now.Add(time.Hour)) })
	check("everyone is paused", "1 at 192.168.1.20 until 07:00, 2 until 07:00, 4 until 21:00", now.Add(time.Hour))
	now = noon.Add(time.Minute)
	change(func(h *household.Household) error { h.ResumeEveryone(); return h.Pause(2, now, time.Time{}) })
	check("Maria alone, for good", "3", bedtime)

	before := pausesNow()
	now = now.Add(time.Minute)
	if !before.same(pausesNow()) {
		t.Error("a minute is no change")
	}
	change(func(h *household.Household) error { return h.Pause(2, now, now.Add(time.Hour)) })
	if before.same(pausesNow()) {
		t.Error("an end is a change")
	}
	policies = func() []filter.Policy { return family.Household().PoliciesWithoutClock() }
	check("the clock is not set", "1 at 192.168.1.20, 2, 3", time.Time{})

	change(func(h *household.Household) error {
		for n := range 80 {
			var macs []household.MAC
			for i := range 16 {
				macs = append(macs, household.MAC{2, 1, 0, 0, byte(n), byte(i)})
			}
			if _, err := h.AddDevice(household.Device{Name: fmt.Sprint(n), Person: 2, MACs: macs}); err != nil {
				return err
			}
		}
		return nil
	})
	if p := pausesNow(); len(p.devices) != firewall.MaxDevices || p.devices[0].mac != mac(1) {
		t.Errorf("of too many, %d are paused, first %s", len(p.devices), p.devices[0].mac)
	}
}
