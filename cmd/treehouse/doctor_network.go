package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/netip"
	"slices"
	"strings"

	"github.com/treehouse-dns/treehouse/filter"
	"github.com/treehouse-dns/treehouse/resolver"
)

// The doctor's tests that ask: Treehouse, its upstreams, and whoever answers in
// front of it.

// ownName is the name by which the house is found.
func (d *doctor) ownName() (filter.Name, bool) {
	if len(d.config.DNS.OwnNames) == 0 {
		return nil, false
	}
	return d.config.DNS.OwnNames[0], true
}

// put asks one question with the doctor's patience.
func (d *doctor) put(ctx context.Context, network string, server netip.AddrPort, q resolver.Question) (resolver.Answer, error) {
	ctx, cancel := context.WithTimeout(ctx, doctorPatience)
	defer cancel()
	return d.ask(ctx, network, server, q)
}

// isUs tells whether a question to an address comes to Treehouse in the end:
// nobody else knows our own name (RFC 8375 §4: it does not exist elsewhere).
func (d *doctor) isUs(ctx context.Context, network string, server netip.AddrPort) (bool, error) {
	name, ok := d.ownName()
	if !ok {
		return false, errors.New("dns.own_names is empty, so nothing tells us from others")
	}
	a, err := d.put(ctx, network, server, resolver.Question{Name: name, Type: resolver.TypeA})
	return err == nil && a.RCode == 0, err
}

// near are the addresses to ask the daemon itself at.
func (d *doctor) near() []netip.AddrPort {
	var all []netip.AddrPort
	for _, l := range d.listen {
		switch {
		case l.Addr() == netip.IPv4Unspecified():
			l = netip.AddrPortFrom(netip.AddrFrom4([4]byte{127, 0, 0, 1}), l.Port())
		case l.Addr() == netip.IPv6Unspecified():
			l = netip.AddrPortFrom(netip.IPv6Loopback(), l.Port())
		}
		all = append(all, l)
	}
	return all
}

func (d *doctor) testAnswers(ctx context.Context) []finding {
	var all []finding
	for _, server := range d.near() {
		f := isGood("Treehouse answers on %s over UDP and TCP.", server)
		for _, network := range []string{"udp", "tcp"} {
			us, err := d.isUs(ctx, network, server)
			if err != nil {
				f = toMend("Nothing answers on %s over %s (%s); start `treehouse serve`, or end what holds the port.", server, strings.ToUpper(network), cause(err))
				break
			}
			if !us {
				f = toMend("Somebody else answers on %s over %s; end it, or give dns.listen another address.", server, strings.ToUpper(network))
				break
			}
		}
		all = append(all, f)
	}
	return all
}

// trialNames are names of the catalogue that exist for tests alone, and two that
// everybody knows.
func trialNames() []filter.Name {
	var all []filter.Name
	for _, s := range []string{"anonymiser.example", "adult.example", "malware.example", "gambling.example", "www.tiktok.com", "www.roblox.com"} {
		all = append(all, filter.MustName(s))
	}
	return all
}

// isBlocked tells whether an answer is the one that blocked names get.
func (d *doctor) isBlocked(a resolver.Answer) bool {
	switch d.config.DNS.Blocked {
	case "nxdomain":
		return a.RCode == 3
	case "refused":
		return a.RCode == 5
	}
	return len(a.Addresses) > 0 && !slices.ContainsFunc(a.Addresses, func(ip netip.Addr) bool { return !ip.IsUnspecified() })
}

// here is who the daemon takes this machine's own questions for.
func (d *doctor) here() filter.Client {
	return d.house.Clients(nil).Identify(netip.AddrFrom4([4]byte{127, 0, 0, 1}), nil)
}

func (d *doctor) testBlocks(ctx context.Context) []finding {
	if d.snap == nil {
		return one(notTested("Without the family and the lists it is not known what should be closed."))
	}
	servers, client := d.near(), d.here()
	for _, name := range trialNames() {
		if d.snap.DecideAt(client, name, d.clock.Now()).Action != filter.Block {
			continue
		}
		for _, server := range servers {
			a, err := d.put(ctx, "udp", server, resolver.Question{Name: name, Type: resolver.TypeA})
			if err != nil {
				return one(notTested("%s did not answer (%s).", server, cause(err)))
			}
			if !d.isBlocked(a) {
				return one(toMend("%s should be closed for a device that is nobody's, and %s opens it; restart Treehouse, and check that both use the same storage.dir.", plain(name), server))
			}
		}
		return one(isGood("%s is closed for a device that is nobody's.", plain(name)))
	}
	return one(notTested("The rules of devices that are nobody's close none of the names for tests."))
}

func (d *doctor) testUpstreams(ctx context.Context) []finding {
	var all []finding
	for _, server := range d.config.Upstream.Servers {
		if reachesUs(server, d.listen) {
			all = append(all, toMend("%s is Treehouse itself, and left out; name another resolver in upstream.servers.", server))
			continue
		}
		a, err := d.put(ctx, "udp", server, resolver.Question{Name: filter.MustName("."), Type: resolver.TypeNS})
		switch {
		case err != nil:
			all = append(all, toMend("%s does not answer (%s); check the line, or name another resolver in upstream.servers.", server, cause(err)))
		case a.RCode == 5:
			all = append(all, toMend("%s answers that it will not (REFUSED); name another resolver in upstream.servers.", server))
		case a.RCode != 0:
			all = append(all, toMend("%s does not know the servers of the root (%s); see what it forwards to, or name another resolver in upstream.servers.", server, rcodeName(a.RCode)))
		default:
			all = append(all, isGood("%s answers.", server))
		}
	}
	if len(all) == 0 {
		return one(toMend("There is no resolver to ask, so only closed and own names are answered; set upstream.servers."))
	}
	return all
}

// rcodeName is what a response code is called (RFC 1035 §4.1.1).
func rcodeName(code int) string {
	switch code {
	case 2:
		return "SERVFAIL"
	case 3:
		return "NXDOMAIN"
	}
	return fmt.Sprintf("code %d", code)
}

func (d *doctor) testPages(ctx context.Context) []finding {
	var all []finding
	name, _ := d.ownName()
	for _, at := range d.config.Pages.Listen {
		if at.Addr().IsUnspecified() {
			loopback := netip.IPv6Loopback()
			if at.Addr().Is4() {
				loopback = netip.AddrFrom4([4]byte{127, 0, 0, 1})
			}
			at = netip.AddrPortFrom(loopback, at.Port())
		}
		ctx, cancel := context.WithTimeout(ctx, doctorPatience)
		status, err := d.page(ctx, at, plain(name))
		cancel()
		switch {
		case err != nil:
			all = append(all, toMend("The pages do not answer at http://%s (%s); see the log of `treehouse serve`, or set pages.listen.", at, cause(err)))
		case status != http.StatusOK:
			all = append(all, toMend("What answers at http://%s is not our page (status %d); end it, or set pages.listen.", at, status))
		default:
			all = append(all, isGood("They answer at http://%s.", at))
		}
	}
	if len(all) == 0 {
		return one(notTested("They are turned off: pages.listen is empty."))
	}
	return all
}

// testCanaries: the names by which browsers and phones find out whether they may
// go around the network's resolver say no.
func (d *doctor) testCanaries(ctx context.Context) []finding {
	if len(d.listen) == 0 {
		return one(notTested("There is no address to ask at."))
	}
	server := d.near()[0]
	var open []string
	for _, s := range []string{"use-application-dns.net", "mask.icloud.com", "mask-h2.icloud.com"} {
		a, err := d.put(ctx, "udp", server, resolver.Question{Name: filter.MustName(s), Type: resolver.TypeA})
		if err != nil {
			return one(notTested("%s did not answer (%s).", server, cause(err)))
		}
		if len(a.Addresses) > 0 || a.RCode != 0 && a.RCode != 3 {
			open = append(open, s)
		}
	}
	a, err := d.put(ctx, "udp", server, resolver.Question{Name: filter.MustName("_dns.resolver.arpa"), Type: resolver.TypeSVCB})
	if err != nil {
		return one(notTested("%s did not answer (%s).", server, cause(err)))
	}
	for _, target := range a.Targets { // RFC 9462 §4: only to a resolver that is us
		if !slices.ContainsFunc(d.config.DNS.OwnNames, func(own filter.Name) bool { return target.IsBelow(own) }) {
			open = append(open, "_dns.resolver.arpa")
		}
	}
	if len(open) > 0 {
		return one(toMend("%s should lead nowhere, and leads somewhere; check that Treehouse and nobody else answers on %s.", strings.Join(open, ", "), server))
	}
	return one(isGood("Firefox and Private Relay are told to stay off, and no other resolver is announced."))
}

// forwardAdvice is what to do where port 53 does not lead to us.
const forwardAdvice = "let dnsmasq forward to Treehouse (docs/openwrt.md), or set dns.listen to \":53\""

// doors are where devices ask this machine.
func (d *doctor) doors() (all []netip.AddrPort) {
	for _, addr := range d.lan {
		all = append(all, netip.AddrPortFrom(addr, d.front.Port()))
	}
	return all
}

// testFront: whoever asks this machine on port 53, asks us in the end.
func (d *doctor) testFront(ctx context.Context) []finding {
	var all []finding
	for _, front := range append([]netip.AddrPort{d.front}, d.doors()...) {
		us, err := d.isUs(ctx, "udp", front)
		switch {
		case err != nil:
			all = append(all, toMend("Nobody answers on %s (%s), so devices that ask there get no names; %s.", front, cause(err), forwardAdvice))
		case !us:
			all = append(all, toMend("Who answers on %s does not ask Treehouse, so devices that ask there go around it; %s.", front, forwardAdvice))
		default:
			all = append(all, isGood("%s leads to Treehouse.", front))
		}
	}
	return all
}

// dhcpFiles are where dnsmasq and odhcpd are told what to hand out.
func dhcpFiles() []string { return []string{"/etc/config/dhcp", "/etc/dnsmasq.conf"} }

// testDHCP: whoever hands out addresses on this machine names no other resolver.
func (d *doctor) testDHCP(context.Context) []finding {
	seen := false
	var others []string
	for _, path := range dhcpFiles() {
		text, err := d.read(path)
		if err != nil {
			continue
		}
		seen = true
		for _, addr := range handedOut(string(text)) {
			if !isOurs(addr) && !addr.IsUnspecified() { // dnsmasq's 0.0.0.0 means itself
				others = append(others, addr.String())
			}
		}
	}
	switch {
	case len(others) > 0:
		return one(toMend("Devices are told to ask %s as well; take it out of the DHCP and IPv6 options.", strings.Join(others, ", ")))
	case !seen:
		return one(notTested("Addresses are handed out by another machine; see in the router's settings that it names this one, and no second, as DNS server."))
	}
	return one(isGood("No other resolver is named in %s.", strings.Join(dhcpFiles(), " or ")))
}

// handedOut are the resolvers that a configuration of dnsmasq or odhcpd tells
// devices to ask: dhcp-option=6,… or option:dns-server,… or option6:dns-server,[…],
// and UCI's list dns of a network.
func handedOut(text string) (all []netip.Addr) {
	for line := range strings.Lines(text) {
		line, _, _ = strings.Cut(strings.TrimSpace(line), "#")
		fields := strings.FieldsFunc(line, func(r rune) bool { return strings.ContainsRune(" \t,='\"[]", r) })
		for i, f := range fields {
			isDNS := f == "6" || f == "option:6" || f == "option:dns-server" || f == "option6:dns-server" || f == "option6:23"
			if i == 0 || !isDNS && !(i == 1 && f == "dns" && fields[0] == "list") {
				continue
			}
			if head := fields[0]; isDNS && !strings.HasPrefix(head, "dhcp-option") && !(len(fields) > 1 && fields[1] == "dhcp_option") {
				continue
			}
			for _, s := range fields[i+1:] {
				if addr, err := netip.ParseAddr(s); err == nil {
					all = append(all, addr)
				}
			}
			break
		}
	}
	return all
}

// testIPv6: a router advertisement may name a resolver that nobody thinks of.
// Only a device sees what it was told; this machine's own list is a hint.
func (d *doctor) testIPv6(context.Context) []finding {
	var strange []string
	for _, path := range []string{"/etc/resolv.conf", "/run/systemd/resolve/resolv.conf"} {
		text, err := d.read(path)
		if err != nil {
			continue
		}
		for line := range strings.Lines(string(text)) {
			if fields := strings.Fields(line); len(fields) > 1 && fields[0] == "nameserver" {
				if addr, err := netip.ParseAddr(fields[1]); err == nil && addr.Is6() && !isOurs(addr.WithZone("")) && !slices.Contains(strange, addr.String()) {
					strange = append(strange, addr.String())
				}
			}
		}
	}
	if len(strange) > 0 {
		return one(notTested("This machine knows the IPv6 resolver %s; if the router announces it to devices too, they ask there: open the test on the child's device.", strings.Join(strange, ", ")))
	}
	return one(notTested("What a router advertisement tells devices is not seen from here; open the test on the child's device."))
}

// testForged: what a device says of itself in option 65001 must not come through
// a forwarder to us, or any device could pass for a parent's.
func (d *doctor) testForged(ctx context.Context) []finding {
	if d.snap == nil {
		return one(notTested("It takes the family and the lists."))
	}
	name, mac, differ := d.telling()
	if !differ {
		return one(notTested("It takes a device whose rules are looser or stricter than those of new devices."))
	}
	for _, front := range append(d.doors(), d.front) {
		if front.Addr().IsLoopback() && reachesUs(front, d.listen) {
			continue // the machine itself may say who asks
		}
		if us, err := d.isUs(ctx, "udp", front); err != nil || !us {
			continue
		}
		honest, err := d.put(ctx, "udp", front, resolver.Question{Name: name, Type: resolver.TypeA})
		if err != nil {
			continue
		}
		forged, err := d.put(ctx, "udp", front, resolver.Question{Name: name, Type: resolver.TypeA, MAC: mac})
		if err != nil {
			continue
		}
		if d.isBlocked(honest) != d.isBlocked(forged) {
			return one(toMend("A device can pass for another with a forged option 65001 on %s; give dnsmasq add-mac and strip-mac both.", front))
		}
		return one(isGood("A forged one does not get through on %s.", front))
	}
	return one(notTested("Nothing on port 53 of this machine forwards to Treehouse."))
}

// telling finds a name that is closed for new devices and open for a device that
// somebody has, or the other way round, and that device's address.
func (d *doctor) telling() (filter.Name, []byte, bool) {
	for _, device := range d.house.Devices {
		if device.Person == 0 || len(device.MACs) == 0 {
			continue
		}
		for _, name := range trialNames() {
			mine := d.snap.DecideAt(d.here(), name, d.clock.Now()).Action == filter.Block
			theirs := d.snap.DecideAt(filter.Client{Policy: device.Person}, name, d.clock.Now()).Action == filter.Block
			if mine != theirs {
				return name, device.MACs[len(device.MACs)-1][:], true
			}
		}
	}
	return nil, nil, false
}

func (d *doctor) testFirewall(context.Context) []finding {
	state, err := d.look()
	switch {
	case err != nil:
		return one(notTested("%v; run the doctor as root.", err))
	case !state.On:
		return one(toMend("It is off, so a device that asks another server on port 53 goes around, and Pause does not end what is already open; set firewall.enabled."))
	case !state.Redirects:
		return one(toMend("It does not lead port 53 to Treehouse, so a device that asks another server goes around; see the section firewall of the configuration."))
	case !state.Refuses:
		return one(toMend("It does not refuse encrypted DNS (port 853 and the known servers on 443); see the section firewall of the configuration."))
	}
	if missing := missingInterfaces(d.config.Firewall.Interfaces); len(missing) > 0 {
		return one(toMend("It waits for packets by %s, and this machine has no such interface, so devices there go around it; `ip link` shows the names for firewall.interfaces.", strings.Join(missing, ", ")))
	}
	if near := resolversInHome(d.config); len(near) > 0 {
		return one(toMend("It takes %s for a device, and leads what that resolver asks outside back to Treehouse; name one outside the home in upstream.servers.", near[0]))
	}
	return one(isGood("It leads port 53 to Treehouse and refuses encrypted DNS to known servers."))
}

// lanAddresses are where devices reach this machine: private addresses that are
// no loopback's.
func lanAddresses() []netip.Addr {
	addrs, err := net.InterfaceAddrs()
	if err != nil {
		return nil
	}
	var all []netip.Addr
	for _, a := range addrs {
		if prefix, err := netip.ParsePrefix(a.String()); err == nil && prefix.Addr().IsPrivate() && len(all) < doctorAddresses {
			all = append(all, prefix.Addr())
		}
	}
	return all
}

// fetchStatus asks for a page that everybody may see.
func fetchStatus(ctx context.Context, at netip.AddrPort, host string) (int, error) {
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+at.String()+"/help", nil)
	if err != nil {
		return 0, err
	}
	if host != "" {
		r.Host = host
	}
	answer, err := (&http.Transport{DisableKeepAlives: true}).RoundTrip(r) // no proxy, no redirect
	if err != nil {
		return 0, err
	}
	answer.Body.Close()
	return answer.StatusCode, nil
}
