package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/netip"
	"os"
	"slices"
	"strings"
	"sync/atomic"
	"time"

	"github.com/treehouse-dns/treehouse/filter"
	"github.com/treehouse-dns/treehouse/firewall"
	"github.com/treehouse-dns/treehouse/household"
)

const (
	// firewallEvery is how often the rules are put in force again although nothing
	// has changed: for those who flush nftables, a paused device with a new
	// address, and lists of addresses that have been renewed. It is also how long
	// any of these lasts at most.
	firewallEvery = time.Minute
	// firewallLeast keeps a clock that stands from making this a busy loop.
	firewallLeast = 10 * time.Millisecond
)

// wall is what has become of the firewall. The zero wall has not been tried.
type wall struct {
	changed chan struct{} // tells that other rules are in force
	ready   atomic.Bool   // the rules are in force
	failed  atomic.Bool   // they were tried and are not
	errors  atomic.Uint64
	applied atomic.Uint64
	paused  atomic.Int64 // devices

	// For the one goroutine that keeps it.
	last  pauses
	tried bool
	said  string // the last complaint, which is not repeated
	lists string // and the one about lists
}

// tell says that other rules are in force; it never waits.
func (w *wall) tell() {
	select {
	case w.changed <- struct{}{}:
	default:
	}
}

// pauses are the devices that are to reach nothing, and until when.
type pauses struct {
	devices []pausedDevice
	exempt  []household.MAC
	next    time.Time // when this changes by itself; zero: it does not
}

type pausedDevice struct {
	mac   household.MAC
	addrs []netip.Addr
	until time.Time // zero: for good
}

func (a pauses) same(b pauses) bool {
	return slices.Equal(a.exempt, b.exempt) && slices.EqualFunc(a.devices, b.devices, func(a, b pausedDevice) bool {
		return a.mac == b.mac && a.until.Equal(b.until) && slices.Equal(a.addrs, b.addrs)
	})
}

// keepFirewall keeps the firewall as the rules in force have it until ctx ends.
// Where there is none, it says so once, tries again by the minute, and everything
// else works.
func (d *daemon) keepFirewall(ctx context.Context) error {
	if !d.config.Firewall.Enabled {
		return nil
	}
	if near := resolversInHome(d.config); len(near) > 0 {
		d.log.Warn("a resolver in the home is asked, and the firewall leads what it asks outside back to us", "servers", near, "remedy", "name one outside in upstream.servers")
	}
	var applied time.Time // of the monotonic clock: what was last put in force stands since
	for {
		now := d.clock.Now()
		snap := d.live.Load()
		p := pausesAt(now, d.family.Reaches(), func(id filter.PolicyID) filter.Policy { return snap.Policy(filter.Client{Policy: id}) })
		if applied.IsZero() || time.Since(applied) >= firewallEvery || !p.same(d.wall.last) {
			d.applyFirewall(p, now)
			applied, d.wall.last = time.Now(), p
		}
		wait := firewallEvery - time.Since(applied)
		if !p.next.IsZero() {
			wait = min(wait, p.next.Sub(d.clock.Now()))
		}
		timer := time.NewTimer(max(wait, firewallLeast))
		select {
		case <-ctx.Done():
		case <-d.wall.changed:
		case <-timer.C:
		}
		timer.Stop()
		if ctx.Err() != nil {
			return ctx.Err()
		}
	}
}

// pausesAt works out who reaches nothing at a moment: the devices of whoever is
// paused or in bed, those of the default profile among them.
func pausesAt(now time.Time, reaches []household.Reach, rulesOf func(filter.PolicyID) filter.Policy) (p pauses) {
	type closing struct {
		closed bool
		until  time.Time
	}
	of := map[filter.PolicyID]closing{}
	var away []pausedDevice // those that are not on the network now come last, if there are more than fit
	for _, reach := range reaches {
		person, known := of[reach.Person]
		if !known {
			person.closed, person.until = household.Closed(rulesOf(reach.Person), now)
			of[reach.Person] = person
			if !person.until.IsZero() && (p.next.IsZero() || person.until.Before(p.next)) {
				p.next = person.until
			}
		}
		for i, mac := range reach.MACs {
			switch {
			case reach.Keeps:
				p.exempt = append(p.exempt, mac)
			case person.closed:
				one := pausedDevice{mac: mac, until: person.until}
				if i == 0 { // the addresses count whichever card they are noted at
					one.addrs = reach.Addrs
				}
				if len(reach.Addrs) > 0 {
					p.devices = append(p.devices, one)
				} else {
					away = append(away, one)
				}
			}
		}
	}
	p.devices = append(p.devices, away...)
	p.devices = p.devices[:min(len(p.devices), firewall.MaxDevices)]
	p.exempt = p.exempt[:min(len(p.exempt), firewall.MaxDevices)]
	return p
}

// applyFirewall puts the rules in force and notes what became of it.
func (d *daemon) applyFirewall(p pauses, now time.Time) {
	c := d.config.Firewall
	rules := firewall.Rules{Interfaces: c.Interfaces, Networks: c.Networks, Port: c.RedirectPort, RefuseDoT: c.RefuseDoT, Blocked: firewall.Resolvers()}
	more, err := readBlocked(c.Blocked)
	if said := words(err); said != d.wall.lists {
		if d.wall.lists = said; err != nil {
			d.log.Warn("a list of addresses to refuse is not right; everything else is in force", "err", err)
		}
	}
	rules.Blocked = append(rules.Blocked, more...)
	rules.Blocked = rules.Blocked[:min(len(rules.Blocked), firewall.MaxBlocked)]
	for i := range p.devices {
		one := firewall.Device{MAC: net.HardwareAddr(p.devices[i].mac[:]), Addresses: p.devices[i].addrs}
		if until := p.devices[i].until; !until.IsZero() {
			one.For = max(until.Sub(now), time.Millisecond) // if we should not be there by then
		}
		rules.Paused = append(rules.Paused, one)
	}
	for i := range p.exempt {
		rules.Exempt = append(rules.Exempt, net.HardwareAddr(p.exempt[i][:]))
	}

	err = firewall.Apply(rules)
	inForce := err == nil || errors.Is(err, firewall.ErrNotCut)
	if inForce {
		d.wall.applied.Add(1)
		d.wall.paused.Store(int64(len(rules.Paused)))
	}
	if missing := missingInterfaces(c.Interfaces); len(missing) > 0 {
		inForce = inForce && len(missing) < len(c.Interfaces)+len(c.Networks)
		err = errors.Join(err, fmt.Errorf("no packet of the home meets the rules by %s: this machine has no such interface; `ip link` shows the names for firewall.interfaces", strings.Join(missing, ", ")))
	}
	d.wall.ready.Store(inForce)
	d.wall.failed.Store(!inForce)
	if err != nil {
		d.wall.errors.Add(1)
	}
	news := !d.wall.tried || words(err) != d.wall.said
	d.wall.tried, d.wall.said = true, words(err)
	switch {
	case !news:
	case err == nil:
		d.log.Info("the firewall is in force", "redirect_port", c.RedirectPort, "refused_addresses", len(rules.Blocked))
	case inForce:
		d.log.Warn("the firewall is in force, though not in full", "err", err)
	case errors.Is(err, firewall.ErrUnavailable):
		d.log.Warn("names are filtered, and running connections go on when somebody is paused", "err", err)
	default:
		d.log.Error("the firewall does not hold what the rules say", "err", err)
	}
}

// missingInterfaces are those of a configuration that this machine does not have,
// misspelt or not there yet: no packet comes in by them, so none meets a rule.
func missingInterfaces(names []string) (missing []string) {
	for _, name := range names {
		if _, err := net.InterfaceByName(name); err != nil {
			missing = append(missing, name)
		}
	}
	return missing
}

// resolversInHome are the upstreams whose own questions the firewall takes for a
// device's: port 53 leads back to us, and other ways are refused.
func resolversInHome(c *Config) (near []netip.AddrPort) {
	home := append([]netip.Prefix(nil), c.Firewall.Networks...)
	for _, name := range c.Firewall.Interfaces {
		link, err := net.InterfaceByName(name)
		if err != nil {
			continue
		}
		addrs, _ := link.Addrs() // none: nobody is near
		for _, a := range addrs {
			if p, err := netip.ParsePrefix(a.String()); err == nil {
				home = append(home, p)
			}
		}
	}
	for _, server := range c.Upstream.Servers {
		in := false
		for _, p := range home {
			in = in || p.Contains(server.Addr())
		}
		if in && !isOurs(server.Addr()) {
			near = append(near, server)
		}
	}
	return near
}

// words is what an error says, nothing where there is none.
func words(err error) string {
	if err == nil {
		return ""
	}
	return err.Error()
}

// removeFirewall takes the firewall away, when somebody has asked for the end.
// What ends by a mistake leaves it: port 53 then leads nowhere until we are back,
// and not past the filter.
func (d *daemon) removeFirewall() {
	if d.wall.applied.Load() == 0 {
		return
	}
	if err := firewall.Remove(); err != nil {
		d.log.Error("the firewall stays; `nft delete table inet treehouse` takes it away", "err", err)
	}
}

// readBlocked reads the files of firewall.blocked. What is wrong in them is
// named in the error and left out.
func readBlocked(paths []string) (list []netip.Prefix, err error) {
	for _, path := range paths {
		more, fault := readBlockedFile(path)
		list, err = append(list, more...), errors.Join(err, fault)
	}
	return list, err
}

// maxBlockedFile bounds what is read of one list, in bytes: the largest list with
// a name behind every address.
const maxBlockedFile = firewall.MaxBlocked * 128

func readBlockedFile(path string) ([]netip.Prefix, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, fmt.Errorf("%s cannot be read: %s", path, cause(err))
	}
	defer f.Close()
	return firewall.ReadBlocked(io.LimitReader(f, maxBlockedFile), path)
}
