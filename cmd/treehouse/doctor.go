package main

import (
	"context"
	"fmt"
	"io"
	"net/netip"
	"os"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"github.com/treehouse-dns/treehouse/blocklists"
	"github.com/treehouse-dns/treehouse/filter"
	"github.com/treehouse-dns/treehouse/firewall"
	"github.com/treehouse-dns/treehouse/household"
	"github.com/treehouse-dns/treehouse/resolver"
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
		{"answers", d.testAnswers}, {"blocks", d.testBlocks}, {"upstreams", d.testUpstreams}, {"pages", d.testPages}, {"certificate", d.testCertificate},
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
