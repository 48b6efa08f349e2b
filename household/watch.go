package household

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net/netip"
	"os"
	"time"
)

const (
	// networkEvery is how often the leases and the table are read where nothing
	// tells of a change.
	networkEvery = time.Minute
	// networkPause is how long changes are gathered: a phone that joins makes a
	// dozen.
	networkPause = 500 * time.Millisecond
	// maxLeaseFile bounds what is read of one lease file, in bytes.
	maxLeaseFile = 1 << 20
	// maxUnassigned is how many devices nobody has assigned are remembered. A
	// child who makes up a MAC a minute fills this list and no more; the ones
	// not seen for longest go first.
	maxUnassigned = 200
)

// NetworkSource is where devices are seen.
type NetworkSource struct {
	Neighbours Neighbours
	Leases     []string // files of dnsmasq or odhcpd; one that is not there is no error
	// Failed is told of what cannot be read; what was known before stays. It
	// may be told the same thing again and again.
	Failed func(error)
}

// WatchNetwork keeps who-is-asking up to date until ctx ends, and learns devices
// it has not seen before. Nothing is written while only known devices come and
// go, except once a day that they were seen.
func (f *Family) WatchNetwork(ctx context.Context, from NetworkSource) error {
	changes, err := from.Neighbours.Changes(ctx)
	if err != nil {
		from.Failed(err)
	}
	ticker := time.NewTicker(networkEvery)
	defer ticker.Stop()
	for {
		f.look(from)
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-ticker.C:
		case _, ok := <-changes:
			if !ok {
				changes = nil // the minute's pace has to do
				continue
			}
			select {
			case <-ctx.Done():
			case <-time.After(networkPause):
			}
		}
	}
}

// look reads the network once.
func (f *Family) look(from NetworkSource) {
	n := &Network{}
	var err error
	if n.Neighbours, err = from.Neighbours.Table(); err != nil {
		from.Failed(err)
		if old := f.network.Load(); old != nil {
			n.Neighbours = old.Neighbours
		}
	}
	for _, path := range from.Leases {
		leases, err := leasesOf(path)
		if err != nil {
			from.Failed(err)
		}
		n.Leases = append(n.Leases, leases...)
	}
	f.SetNetwork(n)
	if err := f.learn(n); err != nil {
		from.Failed(err)
	}
}

func leasesOf(path string) ([]Lease, error) {
	file, err := os.Open(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("the leases cannot be read: %w", err)
	}
	defer file.Close()
	leases, err := ReadLeases(io.LimitReader(file, maxLeaseFile))
	if err != nil {
		return leases, fmt.Errorf("the leases in %s cannot be read to the end: %w", path, err)
	}
	return leases, nil
}

// learn writes new devices down, if there are any.
func (f *Family) learn(n *Network) error {
	now := f.opt.Now()
	news := func(h *Household) (changed bool, err error) {
		for _, l := range seen(n) {
			more, err := h.Observe(l, now)
			if err != nil {
				return changed, err
			}
			changed = changed || more
		}
		return changed, nil
	}
	// Try on a copy first: mostly there is nothing to write.
	if changed, err := news(f.Household().clone()); err != nil || !changed {
		return err
	}
	return f.Change(func(h *Household) error {
		_, err := news(h)
		return err
	})
}

// seen are all devices of the network as leases, those without a lease too.
// Neighbours outside the home, such as the ISP's gateway, are none of ours.
func seen(n *Network) []Lease {
	all := append([]Lease(nil), n.Leases...)
	leased := map[MAC]bool{}
	for _, l := range all {
		leased[l.MAC] = true
	}
	for addr, mac := range n.Neighbours {
		if !leased[mac] && isHome(addr) {
			leased[mac] = true
			all = append(all, Lease{Addr: addr, MAC: mac})
		}
	}
	return all
}

// isHome tells whether an address can be a device's of a home network.
func isHome(a netip.Addr) bool { return a.IsPrivate() || a.IsLinkLocalUnicast() }
