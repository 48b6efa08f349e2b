// Command dns measures Treehouse's resolver beside unbound, dnsmasq and a bare
// echo: CPU time a query for blocked, cached and missed names, latency, memory,
// and how they behave when things go wrong. README.md says how each figure is
// taken. Its last lines are "key value", for a script to read.
package main

import (
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"
)

func main() {
	if len(os.Args) > 1 && roles[os.Args[1]] != nil { // a process of its own for each server
		if err := roles[os.Args[1]](os.Args[2:]); err != nil {
			fmt.Fprintf(os.Stderr, "%s: %v\n", os.Args[1], err)
			os.Exit(1)
		}
		return
	}
	var b bench
	flag.IntVar(&b.names, "names", 1_000_000, "blocked names to load")
	flag.DurationVar(&b.each, "time", 3*time.Second, "how long one measurement takes")
	flag.IntVar(&b.rounds, "rounds", 3, "measurements of each pair; the median counts")
	flag.StringVar(&b.kinds, "kinds", "blocked,cached,miss", "which kinds of names to measure")
	flag.StringVar(&b.peers, "peers", "echo,unbound,dnsmasq,smartdns", "who is measured beside us, if installed")
	flag.DurationVar(&b.long, "soak", 0, "instead, ask us alone for so long and watch the memory")
	flag.Parse()
	if err := b.run(); err != nil {
		fmt.Fprintln(os.Stderr, "bench-dns:", err)
		os.Exit(1)
	}
}

// roles are what a child process is started as.
var roles = map[string]func(args []string) error{
	"echo":      serveEcho,
	"treehouse": serveTreehouse,
	"upstream":  serveUpstream,
}

// bench is one run.
type bench struct {
	names  int
	each   time.Duration
	rounds int
	kinds  string
	peers  string
	long   time.Duration
	dir    string
	took   map[string][]sample // "treehouse blocked" → one a round
}

// sample is one measurement of one server.
type sample struct {
	cpu  float64 // µs a query
	qps  float64
	lost float64 // parts of the queries sent
	p50  time.Duration
	p99  time.Duration
}

func (b *bench) run() error {
	dir, err := os.MkdirTemp("", "bench-dns-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	b.dir, b.took = dir, map[string][]sample{}
	if err := b.prepare(); err != nil {
		return err
	}
	up, err := start(clientCore, self(), "upstream")
	if err != nil {
		return err
	}
	defer up.stop()

	if b.long > 0 {
		s, err := b.start("treehouse", up.port)
		if err != nil {
			return err
		}
		defer s.stop()
		return b.soak(s, b.long)
	}

	servers := []string{"treehouse"}
	for p := range strings.SplitSeq(b.peers, ",") {
		if p != "" && available(p) {
			servers = append(servers, p)
		} else if p != "" {
			fmt.Printf("# %s is not installed: left out\n", p)
		}
	}
	memory := map[string][2]float64{}
	for _, name := range servers {
		s, err := b.start(name, up.port)
		if err != nil {
			return fmt.Errorf("%s: %w", name, err)
		}
		defer s.stop()
		memory[name] = [2]float64{s.anonymous(), 0}
		fmt.Printf("# %s answers, %.1f MiB anonymous\n", name, memory[name][0])
		b.took[name+" started"] = []sample{{cpu: s.startup.Seconds()}}
		running[name] = s
	}
	for kind := range strings.SplitSeq(b.kinds, ",") {
		for round := range b.rounds {
			for _, name := range servers {
				if name == "echo" && kind == "miss" {
					continue
				}
				got, err := b.measure(running[name], kind, round)
				if err != nil {
					return fmt.Errorf("%s, %s: %w", name, kind, err)
				}
				b.took[name+" "+kind] = append(b.took[name+" "+kind], got)
				fmt.Printf("# %-7s %-9s %6.2f µs  %7.0f/s  lost %.2f %%  p50 %v  p99 %v\n", kind, name, got.cpu, got.qps, 100*got.lost, got.p50, got.p99)
			}
		}
	}
	for _, name := range servers {
		memory[name] = [2]float64{memory[name][0], running[name].anonymous()}
	}
	b.report(servers, memory)
	return nil
}

// running are the servers under measurement.
var running = map[string]*server{}

// report prints the key value lines.
func (b *bench) report(servers []string, memory map[string][2]float64) {
	for kind := range strings.SplitSeq(b.kinds, ",") {
		ours := b.took["treehouse "+kind]
		for _, name := range servers {
			theirs := b.took[name+" "+kind]
			if len(theirs) == 0 {
				continue
			}
			fmt.Printf("%s.cpu_us_%s %.2f\n", kind, name, median(theirs, func(s sample) float64 { return s.cpu }))
			if name != "echo" {
				fmt.Printf("%s.p99_us_%s %.0f\n", kind, name, median(theirs, func(s sample) float64 { return float64(s.p99.Microseconds()) }))
			}
			if name == "treehouse" {
				continue
			}
			fmt.Printf("%s.cpu_ratio_to_%s %.2f\n", kind, name, ratio(ours, theirs))
		}
	}
	for _, name := range servers {
		fmt.Printf("rss_mib_loaded_%s %.1f\nrss_mib_%s %.1f\n", name, memory[name][0], name, memory[name][1])
	}
	fmt.Printf("rss_mib %.1f\n", memory["treehouse"][1])
}

// ratio is the median of what we take beside what they take, round by round.
func ratio(ours, theirs []sample) float64 {
	var all []float64
	for i := range min(len(ours), len(theirs)) {
		all = append(all, ours[i].cpu/theirs[i].cpu)
	}
	slices.Sort(all)
	return all[len(all)/2]
}

func median(of []sample, f func(sample) float64) float64 {
	var all []float64
	for _, s := range of {
		all = append(all, f(s))
	}
	slices.Sort(all)
	return all[len(all)/2]
}

// prepare writes the lists and the questions.
func (b *bench) prepare() error {
	blocked := newFile(b.dir, "blocked.txt")
	unbound := newFile(b.dir, "unbound-names.conf")
	dnsmasq := newFile(b.dir, "dnsmasq-names.conf")
	smartdns := newFile(b.dir, "smartdns-names.conf")
	askBlocked := newFile(b.dir, "ask-blocked.txt")
	fmt.Fprintln(unbound, "server:")
	for i := range b.names {
		name := blockedName(i)
		fmt.Fprintln(blocked, name)
		fmt.Fprintf(unbound, "local-zone: %q always_null\n", name)
		fmt.Fprintf(dnsmasq, "address=/%s/0.0.0.0\n", name)
		fmt.Fprintf(smartdns, "address /%s/#\n", name)
		if i%(max(b.names/10_000, 1)) == 0 {
			fmt.Fprintf(askBlocked, "www.%s A\n", name)
		}
	}
	askCached := newFile(b.dir, "ask-cached.txt")
	for i := range 5_000 {
		fmt.Fprintf(askCached, "www.site%d.example A\n", i)
	}
	for round := range b.rounds + 1 {
		for _, s := range []string{"treehouse", "unbound", "dnsmasq"} {
			f := newFile(b.dir, fmt.Sprintf("ask-miss-%s-%d.txt", s, round))
			for i := range 400_000 {
				fmt.Fprintf(f, "h%x.r%d.miss%d.example A\n", i*2654435761%(1<<32), round, i%5000)
			}
			if err := f.close(); err != nil {
				return err
			}
		}
	}
	for _, f := range []*file{blocked, unbound, dnsmasq, smartdns, askBlocked, askCached} {
		if err := f.close(); err != nil {
			return err
		}
	}
	return nil
}

// blockedName spreads names as lists do: mostly one label below a public suffix.
func blockedName(i int) string {
	suffixes := [...]string{"com", "net", "org", "info", "xyz", "co.uk", "ru", "de", "top", "site"}
	return fmt.Sprintf("w%x-%d.%s", uint32(i)*2654435761, i%97, suffixes[i%len(suffixes)])
}

func (b *bench) path(name string) string { return filepath.Join(b.dir, name) }
