package firewall

import (
	"fmt"
	"net"
	"net/netip"
	"syscall"
	"time"
)

// tableName is our table, of family inet.
const tableName = "treehouse"

// Where our chains stand among everyone's. A smaller number comes first; the
// kernel's own steps are connection tracking at -200, destination NAT at -100
// and filtering at 0, which is where fw4 and Docker have theirs.
const (
	// Redirecting comes just before other destination NAT: the first to rewrite
	// a connection wins, and port 53 is to be ours.
	redirectPriority = -100 - 5
	// Pausing comes before fw4 accepts what is established. (An accept ends only
	// the chain of the table it stands in, so a later chain would do too; an
	// earlier one keeps paused packets out of flow offloading as well.)
	forwardPriority = 0 - 10
)

// The names in the table, as `nft list table inet treehouse` shows them.
const (
	chainRedirect = "redirect" // hook prerouting: whose port 53 is ours
	chainToUs     = "to_us"
	chainForward  = "forward" // hook forward: who is paused, what is refused
	chainHome     = "home"
	chainAround   = "around"

	setPaused   = "paused"
	setPaused4  = "paused4"
	setPaused6  = "paused6"
	setNetwork4 = "network4"
	setNetwork6 = "network6"
	setBlocked4 = "blocked4"
	setBlocked6 = "blocked6"
)

// Ports of ways to ask for names.
const (
	portDNS   = 53
	portDoT   = 853 // RFC 7858 §3.1 over TCP, RFC 9250 §4.1.1 (QUIC) over UDP
	portHTTPS = 443 // RFC 8484 over TCP, HTTP/3 over UDP
)

// Apply puts the rules in force in place of all earlier ones, in one step: it is
// all of them or, with an error, none. Then it ends the connections of paused
// devices. It may be called as often as something changes; it takes
// milliseconds, and 0.1 s with thousands of blocked addresses on a slow router.
//
// An error that is ErrUnavailable says that this machine has no such firewall.
func Apply(r Rules) error {
	if err := r.check(); err != nil {
		return err
	}
	known, err := neighbours()
	if err != nil {
		return fmt.Errorf("firewall: cannot read the neighbour table: %w", err)
	}
	links, err := ownLinks()
	if err != nil {
		return fmt.Errorf("firewall: cannot read the addresses of this machine: %w", err)
	}
	macs, addrs := r.pauses(known, links)
	if err := replaceTable(r, macs, addrs).commit(); err != nil {
		return fmt.Errorf("firewall: %w", err)
	}
	if len(addrs) == 0 {
		return nil
	}
	// After the rules, never before: a connection that is cut while its packets
	// still pass is simply made again.
	err = cut(func(a netip.Addr) bool { _, paused := addrs[a.Unmap()]; return paused })
	if err != nil {
		return fmt.Errorf("firewall: devices are paused, but %w: %w; on OpenWrt, install kmod-nf-conntrack-netlink", ErrNotCut, err)
	}
	return nil
}

// ownLinks are the networks that this machine is in.
func ownLinks() (links []netip.Prefix, err error) {
	addrs, err := net.InterfaceAddrs()
	for _, a := range addrs {
		if p, err := netip.ParsePrefix(a.String()); err == nil {
			links = append(links, p)
		}
	}
	return links, err
}

// Remove takes the table away, and with it every effect of this package. It is
// no error if there is none.
func Remove() error {
	t := newTransaction()
	t.table(newTable, syscall.NLM_F_CREATE) // so that there is one to delete
	t.table(delTable, 0)
	if err := t.commit(); err != nil {
		return fmt.Errorf("firewall: %w", err)
	}
	return nil
}

// replaceTable writes the whole table. It reads like the table itself:
//
//	chain redirect { type nat hook prerouting priority dstnat - 5
//		iifname "br-lan" jump to_us; ip saddr @network4 jump to_us; …
//	}
//	chain to_us { udp dport 53 redirect to :PORT; tcp … }
//	chain forward { type filter hook forward priority filter - 10
//		ip daddr @paused4 drop; ip6 daddr @paused6 drop
//		iifname "br-lan" jump home; …
//	}
//	chain home { ether saddr @paused drop; jump around }
//	chain around { tcp dport 853 reject with tcp reset; ip daddr @blocked4 tcp dport 443 …; … }
func replaceTable(r Rules, macs map[mac]time.Duration, addrs map[netip.Addr]time.Duration) *transaction {
	t := newTransaction()
	t.table(newTable, syscall.NLM_F_CREATE)
	t.table(delTable, 0) // what an earlier Apply, or an earlier life, has left
	t.table(newTable, syscall.NLM_F_CREATE)

	t.set(setPaused, etherAddr, setTimeout)
	t.set(setPaused4, ipv4Addr, setTimeout)
	t.set(setPaused6, ipv6Addr, setTimeout)
	for m, pause := range macs {
		t.elements(setPaused, []element{{key: m[:], ends: pause}})
	}
	for a, pause := range addrs {
		set := setPaused4
		if a.Is6() {
			set = setPaused6
		}
		t.elements(set, []element{{key: a.AsSlice(), ends: pause}})
	}
	t.intervals(setNetwork4, setNetwork6, r.Networks)
	t.intervals(setBlocked4, setBlocked6, r.Blocked)

	t.baseChain(chainRedirect, "nat", hookPrerouting, redirectPriority)
	t.chain(chainToUs)
	t.fromHome(r, chainRedirect, chainToUs)

	t.baseChain(chainForward, "filter", hookForward, forwardPriority)
	t.chain(chainHome)
	t.chain(chainAround)
	t.rule(chainForward, toIPv4(setPaused4), drop())
	t.rule(chainForward, toIPv6(setPaused6), drop())
	t.fromHome(r, chainForward, chainHome)
	t.rule(chainHome, fromMAC(setPaused), drop())
	t.rule(chainHome, jump(chainAround))

	for _, protocol := range []byte{syscall.IPPROTO_TCP, syscall.IPPROTO_UDP} {
		if r.Port != 0 {
			t.rule(chainToUs, toPort(protocol, portDNS), redirect(r.Port))
			// NAT looks only at the first packet of a connection. One that was
			// there before us comes by here, and has to begin again.
			t.rule(chainAround, toPort(protocol, portDNS), refuse(protocol))
		}
		if r.RefuseDoT {
			t.rule(chainAround, toPort(protocol, portDoT), refuse(protocol))
		}
		if len(r.Blocked) > 0 {
			t.rule(chainAround, toIPv4(setBlocked4), toPort(protocol, portHTTPS), refuse(protocol))
			t.rule(chainAround, toIPv6(setBlocked6), toPort(protocol, portHTTPS), refuse(protocol))
		}
	}
	return t
}

// fromHome sends the home's packets from one chain on to another.
func (t *transaction) fromHome(r Rules, chain, target string) {
	for _, name := range r.Interfaces {
		t.rule(chain, fromInterface(name), jump(target))
	}
	if len(r.Networks) > 0 {
		t.rule(chain, fromIPv4(setNetwork4), jump(target))
		t.rule(chain, fromIPv6(setNetwork6), jump(target))
	}
}

// intervals makes two sets of prefixes, one for each family.
func (t *transaction) intervals(set4, set6 string, prefixes []netip.Prefix) {
	v4, v6 := spans(prefixes)
	for _, s := range []struct {
		name string
		of   setType
		runs []span
	}{{set4, ipv4Addr, v4}, {set6, ipv6Addr, v6}} {
		t.set(s.name, s.of, setInterval)
		var list []element
		for _, run := range s.runs {
			list = append(list, element{key: run.first.AsSlice()})
			if after := run.last.Next(); after.IsValid() { // else it reaches to the end of all addresses
				list = append(list, element{key: after.AsSlice(), flags: endOfRun})
			}
		}
		t.elements(s.name, list)
	}
}
