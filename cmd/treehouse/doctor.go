package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net"
	"net/http"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"github.com/treehouse-dns/treehouse/blocklists"
	"github.com/treehouse-dns/treehouse/filter"
	"github.com/treehouse-dns/treehouse/firewall"
	"github.com/treehouse-dns/treehouse/household"
	"github.com/treehouse-dns/treehouse/resolver"
	"github.com/treehouse-dns/treehouse/store"
)

// What the doctor asks for at least, and how long it waits.
const (
	doctorPatience  = 2 * time.Second // for one answer: a resolver across an ocean takes 0.3 s
	leastStorage    = 4 << 20         // bytes: a family's changes and its backup, many times over
	leastRuntime    = 16 << 20        // bytes: what an update of the lists sorts
	leastMemory     = 8 << 20         // bytes: below, the kernel soon ends somebody
	doctorAddresses = 8               // of this machine that are tried: no home's router has more networks
)

// result is what became of one test.
type result string

const (
	good     result = "good"
	mend     result = "to mend"
	untested result = "not tested"
)

// finding is one line of the doctor's report.
type finding struct {
	Test   string `json:"test"`
	Result result `json:"result"`
	Text   string `json:"text"` // what was found and, where there is something to do, what
}

func isGood(format string, args ...any) finding {
	return finding{"", good, fmt.Sprintf(format, args...)}
}
func toMend(format string, args ...any) finding {
	return finding{"", mend, fmt.Sprintf(format, args...)}
}
func notTested(format string, args ...any) finding {
	return finding{"", untested, fmt.Sprintf(format, args...)}
}

// beyondDNS is what no resolver can stop. It is always said.
func beyondDNS() []string {
	return []string{
		"It cannot see inside an app or a page: it only knows the names of sites.",
		"It cannot stop a VPN that is already on, mobile data, or the Wi-Fi of another home.",
		"It cannot stop a device that carries a list of addresses and asks nobody for names.",
		"Encrypted DNS to a server that is on no list passes, with or without the firewall.",
		"It does not measure screen time.",
		"A closed https site shows the browser's own error; the reason is on the page My internet.",
	}
}

func (a *app) doctorCommand() *cobra.Command {
	if tiny {
		return leftOut("doctor")
	}
	return &cobra.Command{
		Use: "doctor", Short: "Test whether all is well, and say what DNS cannot stop", Args: exactly(),
		Long: `Test, from the machine it runs on, whether Treehouse works and whether a device
could get around it. It changes nothing. Each line says what was tested, how it
is, and what to do; what could not be tested is said so. What only the child's
device can tell is tested by the page "Can my child get around this?".

It ends with 0 if nothing is to mend, with 1 if something is, and with 2 if it
could not run.`,
		RunE: func(cmd *cobra.Command, _ []string) error {
			c, err := a.config()
			if err != nil {
				return err
			}
			findings := a.newDoctor(c).examine(cmd.Context())
			err = a.print(map[string]any{"findings": findings, "beyond_dns": beyondDNS()}, func(w io.Writer) { printFindings(w, findings) })
			if bad := count(findings, mend); bad > 0 && err == nil {
				return fmt.Errorf("%d of %d tests found something to mend", bad, len(findings))
			}
			return err
		},
	}
}

func count(findings []finding, r result) (n int) {
	for _, f := range findings {
		if f.Result == r {
			n++
		}
	}
	return n
}

func printFindings(w io.Writer, findings []finding) {
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	for _, f := range findings {
		fmt.Fprintf(t, "%s\t%s\t%s\n", f.Result, f.Test, f.Text)
	}
	t.Flush()
	fmt.Fprintln(w, "\nWhat DNS cannot stop:")
	for _, line := range beyondDNS() {
		fmt.Fprintln(w, "-", line)
	}
}

// doctor tests one house. Everything outside of it is a field, so that each test
// can be shown a house that is well and one that is not. One goroutine uses it.
type doctor struct {
	config *Config
	clock  *household.Timekeeper
	listen []netip.AddrPort // where the daemon should answer
	front  netip.AddrPort   // where the programs of this machine ask
	lan    []netip.Addr     // the addresses that devices reach this machine at

	ask  func(ctx context.Context, network string, server netip.AddrPort, q resolver.Question) (resolver.Answer, error)
	page func(ctx context.Context, at netip.AddrPort, host string) (status int, err error)
	look func() (firewall.State, error)
	read func(path string) ([]byte, error)
	free func(dir string) (bytes uint64, err error)

	openFamily  func() (*household.Household, error)
	openLibrary func() (listsThere, error)

	house *household.Household // nil: it could not be read
	snap  *filter.Snapshot     // nil: likewise, or the lists
}

// listsThere is what blocklists.db holds.
type listsThere struct {
	trie       *filter.Trie
	last, kept blocklists.Build
	sources    []blocklists.SourceState
}

func (a *app) newDoctor(c *Config) *doctor {
	d := &doctor{
		config: c, clock: newTimekeeper(a.now, c.Storage.Dir), listen: c.DNS.Listen,
		front: netip.AddrPortFrom(netip.AddrFrom4([4]byte{127, 0, 0, 1}), 53), lan: lanAddresses(),
		ask: resolver.Ask, page: fetchStatus, look: firewall.Look, read: os.ReadFile, free: freeBytes,
	}
	d.openFamily = func() (*household.Household, error) {
		family, _, err := a.openFamily(c, nil)
		if err != nil {
			return nil, err
		}
		return family.Household(), nil
	}
	d.openLibrary = func() (there listsThere, err error) {
		library, err := a.openLibrary(c)
		if err != nil {
			return there, err
		}
		if there.last, err = library.LastBuild(); err != nil {
			return there, err
		}
		if there.sources, err = library.Sources(); err != nil {
			return there, err
		}
		there.kept = library.KeptBuild()
		there.trie, err = library.Snapshot()
		return there, err
	}
	return d
}

// examine makes every test, in the order of how much hangs on it.
func (d *doctor) examine(ctx context.Context) []finding {
	all := []finding{{"configuration", good, "It reads."}}
	for _, t := range []struct {
		name string
		test func(context.Context) []finding
	}{
		{"family", d.testFamily}, {"lists", d.testLists}, {"files", d.testFiles}, {"disk", d.testDisk}, {"memory", d.testMemory}, {"clock", d.testClock},
		{"answers", d.testAnswers}, {"blocks", d.testBlocks}, {"upstreams", d.testUpstreams}, {"pages", d.testPages},
		{"canaries", d.testCanaries}, {"port 53", d.testFront}, {"DHCP", d.testDHCP}, {"IPv6 DNS", d.testIPv6}, {"option 65001", d.testForged},
		{"firewall", d.testFirewall},
	} {
		for _, f := range t.test(ctx) {
			f.Test = t.name
			all = append(all, f)
		}
	}
	return all
}

// one is a test's only finding.
func one(f finding) []finding { return []finding{f} }

// whole tells whether a database can be read; f says why not.
func (d *doctor) whole(path string) (f finding, ok bool) {
	err := store.Check(path)
	var damage *store.DamageError
	switch {
	case err == nil:
		return f, true
	case errors.Is(err, fs.ErrNotExist):
		return toMend("There is no %s yet; start `treehouse serve`, or set storage.dir to where it keeps its files.", path), false
	case errors.As(err, &damage):
		return toMend("%v; restart Treehouse, which takes the last backup or begins anew.", damage), false
	}
	return notTested("%s cannot be read: %s; run the doctor as root.", path, cause(err)), false
}

func (d *doctor) testFamily(context.Context) []finding {
	f, ok := d.whole(filepath.Join(d.config.Storage.Dir, "household.db"))
	if !ok {
		return one(f)
	}
	house, err := d.openFamily()
	if err != nil {
		return one(toMend("The family cannot be read: %v.", err))
	}
	d.house = house
	unassigned := len(house.DevicesOf(0))
	if unassigned > 0 {
		return one(isGood("The file is whole; people: %d, devices: %d, nobody's yet and on the default rules: %d.", len(house.People), len(house.Devices), unassigned))
	}
	return one(isGood("The file is whole; people: %d, devices: %d.", len(house.People), len(house.Devices)))
}

func (d *doctor) testLists(context.Context) []finding {
	f, ok := d.whole(filepath.Join(d.config.Storage.ListsDir, "blocklists.db"))
	if !ok {
		return one(f)
	}
	there, err := d.openLibrary()
	trie, last := there.trie, there.last
	if trie != nil && d.house != nil {
		d.snap = filter.NewSnapshot(trie, nil, d.house.Policies())
	}
	age := d.clock.Now().Sub(last.At)
	switch {
	case err != nil:
		return one(toMend("The lists cannot be read (%v); import or update them again.", err))
	case last.Number == 0:
		return one(toMend("Only the built-in catalogue of %d names is in force; put lists in with `treehouse lists import`, or name sources in lists.sources.", trie.Names()))
	case age > oldLists:
		return one(toMend("The lists are %d days old; `treehouse lists update` says what keeps them from being renewed.", int(age.Hours()/24)))
	}
	all := one(isGood("The file is whole; %d names from %d sources, compiled %d hours ago.", trie.Names(), last.Sources, int(age.Hours())))
	return append(all, d.lookAtSources(there)...)
}

// lookAtSources finds what a list that cannot be fetched does to the others, and
// what the next reboot would.
func (d *doctor) lookAtSources(there listsThere) (all []finding) {
	for _, s := range there.sources {
		switch {
		case !s.Away || !s.Failed:
		case slices.Contains(there.last.Without, s.ID):
			all = append(all, toMend("The names of the list %q are not in force: a reboot came before it could be fetched again, and it still cannot be; correct or remove it in lists.sources, or `treehouse lists remove %[1]s`.", s.ID))
		default:
			all = append(all, toMend("The list %q cannot be fetched since the last reboot, so no news of the others is in force yet; correct its url in lists.sources, or `treehouse lists remove %[1]s`.", s.ID))
		}
	}
	if d.config.Storage.KeepLists > 0 && there.last.At.Sub(there.kept.At) > oldCopy {
		all = append(all, toMend("A reboot without internet would begin with older lists, or none: there is no new copy in %s; make room there, or raise storage.keep_lists.", d.config.Storage.Dir))
	}
	return all
}

// oldCopy is how far the copy of the lists may be behind them: twice the day that
// news waits for it.
const oldCopy = 48 * time.Hour

// testFiles: nobody else may read what a family has set up, and we may write it.
func (d *doctor) testFiles(context.Context) []finding {
	path := filepath.Join(d.config.Storage.Dir, "household.db")
	info, err := os.Stat(path)
	if err != nil {
		return one(notTested("%s cannot be looked at: %s.", path, cause(err)))
	}
	if mode := info.Mode().Perm(); mode&0o077 != 0 {
		return one(toMend("Others on this machine may open %s (mode %04o); run chmod 600 on it.", path, mode))
	}
	file, err := os.OpenFile(path, os.O_WRONLY, 0)
	if err != nil {
		return one(toMend("%s cannot be written to (%s), so changes would be lost; run as its owner, or mount the disk writable.", path, cause(err)))
	}
	file.Close()
	return one(isGood("They belong to Treehouse alone and can be written to."))
}

func (d *doctor) testDisk(context.Context) []finding {
	var all []finding
	for _, f := range []struct {
		key, dir string
		least    uint64
	}{{"storage.dir", d.config.Storage.Dir, leastStorage}, {"storage.runtime_dir", d.config.Storage.RuntimeDir, leastRuntime}} {
		switch bytes, err := d.free(f.dir); {
		case err != nil:
			all = append(all, notTested("The space in %s cannot be told: %s.", f.dir, cause(err)))
		case bytes < f.least:
			all = append(all, toMend("%s (%s) has %d KiB left and wants %d; free some space or choose another folder.", f.dir, f.key, bytes>>10, f.least>>10))
		default:
			all = append(all, isGood("%s (%s) has %d MiB left.", f.dir, f.key, bytes>>20))
		}
	}
	return all
}

func (d *doctor) testMemory(context.Context) []finding {
	text, err := d.read("/proc/meminfo")
	if err != nil {
		return one(notTested("This system does not tell how much memory is free."))
	}
	for line := range strings.Lines(string(text)) {
		fields := strings.Fields(line)
		if len(fields) < 2 || fields[0] != "MemAvailable:" {
			continue
		}
		kib, err := strconv.ParseUint(fields[1], 10, 64)
		switch {
		case err != nil:
		case kib<<10 < leastMemory:
			return one(toMend("%d KiB are free, and the kernel may end Treehouse; give cache.size less, or end other programs.", kib))
		default:
			return one(isGood("%d MiB are free.", kib>>10))
		}
	}
	return one(notTested("This system does not tell how much memory is free."))
}

func (d *doctor) testClock(context.Context) []finding {
	switch shows := d.clock.Shows().UTC().Format(time.DateTime); {
	case d.clock.Unset():
		return one(toMend("The clock shows %s, which has been; set it or start ntpd, the stricter hours hold until then.", shows))
	case !d.clock.Trusted():
		return one(toMend("The clock has jumped and shows %s; if that is right, say so with `treehouse clock confirm`, the stricter hours hold until then.", shows))
	}
	return one(isGood("It shows %s.", d.clock.Shows().In(d.config.Time.Zone).Format("Mon 2 Jan 2006 15:04 MST")))
}

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
		case a.RCode != 0:
			all = append(all, toMend("%s answers that it will not (code %d); name another resolver in upstream.servers.", server, a.RCode))
		default:
			all = append(all, isGood("%s answers.", server))
		}
	}
	if len(all) == 0 {
		return one(toMend("There is no resolver to ask, so only closed and own names are answered; set upstream.servers."))
	}
	return all
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
