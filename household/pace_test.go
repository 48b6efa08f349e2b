package household

import (
	"context"
	"net/netip"
	"os"
	"path/filepath"
	"testing"
	"testing/synctest"
	"time"

	"github.com/treehouse-dns/treehouse/filter"
	"github.com/treehouse-dns/treehouse/store"
)

// TestCountsArePaced: the flash is written every half hour at most, and once
// more at the end.
func TestCountsArePaced(t *testing.T) {
	file, err := store.Open(filepath.Join(t.TempDir(), "household.db"), store.Options{})
	must(t, err)
	trie := compiled(t)
	synctest.Test(t, func(t *testing.T) {
		f, err := Open(file, Options{Now: time.Now})
		must(t, err)
		must(t, f.Change(func(h *Household) error { h.BeginSample(time.Now()); h.SetCountingForAll(true); return nil }))
		var tally Tally
		tally.Bind(f.Household(), trie)
		blocked := filter.Verdict{Rule: filter.RuleBlock}
		seen := func() uint64 {
			weeks, err := f.Weeks(1)
			must(t, err)
			if len(weeks) == 0 {
				return 0
			}
			return weeks[0].Blocked
		}
		ctx, stop := context.WithCancel(t.Context())
		done := make(chan error)
		go func() { done <- f.KeepCounts(ctx, &tally, func(err error) { t.Error(err) }) }()
		for range 29 {
			tally.Observe(filter.Client{Policy: 1}, blocked)
			time.Sleep(time.Minute)
		}
		if n := seen(); n != 0 {
			t.Errorf("%d counted after 29 minutes", n)
		}
		time.Sleep(time.Minute)
		synctest.Wait()
		if n := seen(); n != 29 {
			t.Errorf("%d counted after half an hour", n)
		}
		tally.Observe(filter.Client{Policy: 1}, blocked)
		stop()
		<-done
		if n := seen(); n != 30 {
			t.Errorf("%d counted at the end", n)
		}
	})
}

// network is a network that tests change.
type network struct {
	table   map[netip.Addr]MAC
	changes chan struct{}
}

func (n *network) Table() (map[netip.Addr]MAC, error)               { return n.table, nil }
func (n *network) Changes(context.Context) (<-chan struct{}, error) { return n.changes, nil }

// TestNetworkIsFollowed: a device that appears is known within a second, one
// that a lease file tells of within a minute.
func TestNetworkIsFollowed(t *testing.T) {
	dir := t.TempDir()
	file, err := store.Open(filepath.Join(dir, "household.db"), store.Options{})
	must(t, err)
	leases := filepath.Join(dir, "dhcp.leases")
	synctest.Test(t, func(t *testing.T) {
		f, err := Open(file, Options{Now: time.Now})
		must(t, err)
		must(t, f.Change(twoPeople))
		n := &network{changes: make(chan struct{}, 1)}
		ctx, stop := context.WithCancel(t.Context())
		done := make(chan error)
		go func() {
			done <- f.WatchNetwork(ctx, NetworkSource{Neighbours: n, Leases: []string{leases}, Failed: func(err error) { t.Error(err) }})
		}()
		synctest.Wait()
		if got := f.Identify(anaAddr, nil).Policy; got != 0 {
			t.Errorf("policy %d before anything was seen", got)
		}
		n.table = map[netip.Addr]MAC{anaAddr: anaMAC}
		n.changes <- struct{}{}
		time.Sleep(time.Second)
		synctest.Wait()
		if got := f.Identify(anaAddr, nil).Policy; got != 1 {
			t.Errorf("policy %d a second after the tablet appeared", got)
		}
		close(n.changes) // netlink has broken: the minute's pace has to do
		must(t, os.WriteFile(leases, []byte("1 02:00:00:00:00:03 192.168.1.33 new-phone *\n"), 0o600))
		time.Sleep(time.Minute + time.Second)
		synctest.Wait()
		if d := f.Household().Devices; len(d) != 3 || d[2].Name != "new-phone" || d[2].Person != 0 {
			t.Errorf("devices after a minute: %+v", d)
		}
		stop()
		<-done
	})
}
