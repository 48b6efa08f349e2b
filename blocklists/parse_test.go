package blocklists

import (
	"bytes"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/treehouse-dns/treehouse/filter"
)

// parse reads a list in a format: the names, each with its mode before it
// ("=" exact, "@" except, "!" important), and what was refused, by line.
func parse(f Format, exact bool, list string) (names []string, refused []string) {
	report := Report{}
	s := &sink{report: &report, exact: exact, emit: func(name []byte, mode filter.Mode) (Reason, error) {
		mark := map[filter.Mode]string{filter.Exact: "=", filter.Except: "@", filter.Suffix | filter.Important: "!", filter.Exact | filter.Important: "!="}[mode]
		names = append(names, mark+string(name))
		return "", nil
	}}
	err := readLines(strings.NewReader(list), s, parserFor(f))
	if err != nil {
		refused = append(refused, err.Error())
	}
	for _, sample := range report.Samples {
		refused = append(refused, fmt.Sprintf("%d %s", sample.Line, sample.Reason))
	}
	return names, refused
}

func TestParsers(t *testing.T) {
	long := strings.Repeat("a", 64)
	for _, c := range []struct {
		what    string
		format  Format
		exact   bool
		list    string
		names   string // with blanks between
		refused string // "line reason" with "; " between
	}{
		{"hosts", Hosts, false, "\xef\xbb\xbf# title\r\n127.0.0.1 localhost\n::1 localhost ip6-localhost ip6-loopback\n255.255.255.255 broadcasthost\nfe80::1%lo0 localhost\n" +
			"0.0.0.0 0.0.0.0\n0.0.0.0 A.Example # note\n127.0.0.1\tb.example c.example.\n:: d.example\n", "a.example b.example c.example d.example", ""},
		{"hosts, exact", Hosts, true, "0.0.0.0 a.example", "=a.example", ""},
		{"hosts with junk", Hosts, false, "0.0.0.0 com\n0.0.0.0 1.2.3.4\n0.0.0.0\nplain.example\nnot an address\n0.0.0.0 a..b\n0.0.0.0 http://a.example/x\n",
			"plain.example", "1 a single label; 2 an IP address; 3 not a domain name; 5 not a domain name; 6 not a domain name; 7 a URL"},
		{"domains", Domains, false, "# x\n! y\n; z\n\n  a.example  # note\n*.b.example\n.c.example\nD.Example.\n_srv.e.example\n", "a.example b.example c.example d.example _srv.e.example", ""},
		{"domains, exact", Domains, true, "a.example\n*.b.example\n", "=a.example b.example", ""},
		{"domains with junk", Domains, false, "com\n.\nco.uk\n*.com\n1.2.3.4\n2001:db8::1\nexample.1\na b\na.example/x\nhttps://a.example\n" + long + ".example\n",
			"", "1 a single label; 2 not a domain name; 3 a public suffix; 4 a single label; 5 an IP address; 6 an IP address; 7 not a domain name; 8 not a domain name; 9 a URL; 10 a URL"},
		{"domains, long", Domains, false, long + ".example\n" + strings.Repeat("a.", 130) + "example\n" + strings.Repeat("x", 300) + ".example\n", "", "1 a name over; 2 a name over; 3 a name over"},
		{"domains, one company's suffix", Domains, false, "github.io\nexample.github.io\n", "github.io example.github.io", ""},
		{"wildcard", Wildcard, false, "*.a.example\nb.example\n*\n*.*.c.example\na*.d.example\n", "a.example b.example", "3 a pattern; 4 a pattern; 5 a pattern"},
		{"adblock", Adblock, false, "[Adblock Plus]\n! x\n||a.example^\n||b.example\n@@||c.example^\n||d.example^$important\n|e.example^\n|https://f.example^|\n||*.g.example^\n||h.example^$all\nplain.example\n0.0.0.0 i.example\n@@||j.example^|\n# comment\n",
			"a.example b.example @c.example !d.example =e.example =f.example g.example h.example plain.example i.example @j.example", ""},
		{"adblock, denyallow", Adblock, false, "||a.example^$denyallow=x.a.example|other.example|y.A.example\n", "a.example @x.a.example @y.a.example", ""},
		{"adblock, what DNS cannot do", Adblock, false, "||a.example/x\n||a.example^$third-party\n/ads[0-9]+/\n||a*.example^\na.example##.ad\n##.ad\nexample.org#@#.x\n-ads-\n||a.example^$dnsrewrite=1.2.3.4\nads.example^\n",
			"", "1 a URL; 2 a rule; 3 a pattern; 4 a pattern; 5 a rule; 6 a rule; 7 a rule; 8 a single label; 9 a rule; 10 a pattern"},
		{"adblock, a contradiction", Adblock, false, "||a.example^$important,denyallow=b.a.example\n", "", "1 a rule"},
		{"dnsmasq", Dnsmasq, false, "# x\naddress=/a.example/\naddress=/b.example/#\naddress=/c.example/d.example/0.0.0.0\naddress=/e.example/::\nserver=/f.example/\nlocal=/g.example/\nserver=/h.example/#\naddress=/.i.example/127.0.0.1 # x\naddress=/*.j.example/\n",
			"a.example b.example c.example d.example e.example f.example g.example @h.example i.example j.example", ""},
		{"dnsmasq, no blocks", Dnsmasq, false, "address=/a.example/192.0.2.1\nserver=/a.example/192.0.2.1\nserver=192.0.2.1\naddress=/#/0.0.0.0\nconf-file=/etc/x\naddress=/com/\ninterface=lo\n",
			"", "1 a rule; 2 a rule; 3 a rule; 4 not a domain name; 5 a rule; 6 a single label; 7 a rule"},
		{"rpz", RPZ, false, "$TTL 60\n$ORIGIN rpz.example.net.\n@ IN SOA ns.example. h.example. (\n 1 ; serial\n 2 3 4 5 )\n  IN NS localhost.\na.example CNAME .\n*.a.example CNAME .\nb.example 60 IN CNAME *.\nc.example CNAME rpz-drop.\nd.example CNAME RPZ-PASSTHRU.\ne.example.rpz.example.net. CNAME .\nf.example A 0.0.0.0\n AAAA ::\ng.example IN 1h CNAME .;x\n",
			"=a.example a.example =b.example =c.example @d.example =e.example =f.example =f.example =g.example", ""},
		{"rpz, other triggers", RPZ, false, "24.0.2.0.192.rpz-ip CNAME .\nns.example.rpz-nsdname CNAME .\na.example CNAME walled.example.\nb.example A 192.0.2.1\nc.example TXT \"x;y(\"\nd.example CNAME rpz-tcp-only.\ncom CNAME .\n*.co.uk CNAME .\n",
			"", "1 a rule; 2 a rule; 3 a rule; 4 a rule; 6 a rule; 7 a single label; 8 a public suffix"},
		{"v2fly", V2fly, false, "# x\na.example\ndomain:b.example @cn # y\nfull:c.example @ads @x\nkeyword:porn\nregexp:^a.*$\ninclude:other\nwhat:d.example\n", "a.example b.example =c.example", "5 a pattern; 6 a pattern; 7 an include; 8 not a domain name"},
		{"a line of 10 MB", Domains, false, "a.example\n" + strings.Repeat("x", 10<<20) + "\nb.example\n" + strings.Repeat("y", maxLine), "a.example b.example", "2 a line over; 4 a line over"},
		{"no end of line", Domains, false, "a.example\nb.example", "a.example b.example", ""},
	} {
		names, refused := parse(c.format, c.exact, c.list)
		if got := strings.Join(names, " "); got != c.names {
			t.Errorf("%s: names\n got %s\nwant %s", c.what, got, c.names)
		}
		wants := strings.Split(c.refused, "; ")
		if c.refused == "" {
			wants = nil
		}
		if !slices.EqualFunc(refused, wants, strings.HasPrefix) {
			t.Errorf("%s: refused\n got %s\nwant %s", c.what, strings.Join(refused, "; "), c.refused)
		}
	}
}

func TestDetect(t *testing.T) {
	for want, lists := range map[Format][]string{
		Hosts:    {"# x\n0.0.0.0 a.example\n", "::1 localhost\n0.0.0.0 b.example\nc.example"},
		Domains:  {"a.example\nb.example", "", "# only\n# comments"},
		Wildcard: {"# x\n*.a.example\n*.b.example\nc.example"},
		Adblock:  {"[Adblock Plus]\n||a.example^", "! x\n||a.example^\nb.example##.ad", "@@||a.example^"},
		Dnsmasq:  {"# x\naddress=/a.example/#", "server=/a.example/\nlocal=/b.example/"},
		RPZ:      {"$TTL 60\n@ SOA a b 1 2 3 4 5\na.example CNAME .", "a.example\tCNAME\t.\n"},
		V2fly:    {"# x\ninclude:a\nb.example @ads\n", "full:a.example\nb.example @cn"},
	} {
		for _, list := range lists {
			if got := detect([]byte(list)); got != want {
				t.Errorf("%q is taken for %s, want %s", list, got, want)
			}
		}
	}
}

// fuzzLists fuzzes the parser of one format. Whatever a list holds, a name that
// comes out of it is one: filter reads it, it has two labels, and it survives
// being stored.
func fuzzLists(f *testing.F, format Format, seeds ...string) {
	for _, seed := range seeds {
		f.Add([]byte(seed))
	}
	for _, seed := range []string{"", "\n", "\xef\xbb\xbf", "com\n.\n..\n1.2.3.4\n::1\n", "xn--.example\nbücher.example\n", "<html>\x00", strings.Repeat("a.", 200), "* | ^ $ / @ ! # ;"} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, list []byte) {
		report := Report{}
		taken := 0
		s := &sink{report: &report, emit: func(text []byte, mode filter.Mode) (Reason, error) {
			taken++
			name, err := filter.ParseName(string(text))
			if err != nil {
				t.Fatalf("%q is no name: %v", text, err)
			}
			if name.Labels() < 2 || name.String() != string(text)+"." {
				t.Fatalf("%q reads as %s", text, name)
			}
			r := appendTail(appendKey(nil, text), mode, 7)
			if !bytes.Equal(r.key(), appendNameKey(nil, name)) || !r.valid() {
				t.Fatalf("%q has two keys", text)
			}
			if !bytes.Equal(r.appendName(nil), name) || r.topic() != 7 || r.mode()&^filter.Important != mode&^filter.Important {
				t.Fatalf("%q comes back as %s", text, r.appendName(nil))
			}
			return "", nil
		}}
		if err := readLines(bytes.NewReader(list), s, parserFor(format)); err != nil {
			t.Fatal(err)
		}
		if lines := bytes.Count(list, []byte{'\n'}) + 1; report.Lines > lines {
			t.Fatalf("%d lines of %d", report.Lines, lines)
		}
		for _, sample := range report.Samples {
			if strings.ContainsFunc(sample.Text, func(r rune) bool { return r < ' ' || r == 0x7f || r == 0x202e }) {
				t.Fatalf("a sample holds %q", sample.Text)
			}
		}
		detect(list)
	})
}

func FuzzHosts(f *testing.F) {
	fuzzLists(f, Hosts, "0.0.0.0 a.example # x\n::1 localhost\n127.0.0.1\tb.example c.example")
}
func FuzzDomains(f *testing.F)  { fuzzLists(f, Domains, "a.example\n*.b.example\n.c.example # x") }
func FuzzWildcard(f *testing.F) { fuzzLists(f, Wildcard, "*.a.example\n*.*.b.example") }
func FuzzAdblock(f *testing.F) {
	fuzzLists(f, Adblock, "||a.example^$important,denyallow=b.a.example|c.a.example\n@@|https://d.example^|\n##.ad\n/re/")
}
func FuzzDnsmasq(f *testing.F) {
	fuzzLists(f, Dnsmasq, "address=/a.example/b.example/#\nserver=/c.example/#\nlocal=/d.example/")
}
func FuzzRPZ(f *testing.F) {
	fuzzLists(f, RPZ, "$ORIGIN rpz.\n@ SOA a b (1\n2)\na.example CNAME .\n CNAME *.\n*.b.example.rpz. 60 IN CNAME rpz-passthru. ; \"x")
}
func FuzzV2fly(f *testing.F) {
	fuzzLists(f, V2fly, "domain:a.example @ads\nfull:b.example &c\ninclude:x @-y\nregexp:.\nkeyword:z")
}

// TestRecordOrder holds the promise that records sort as names do.
func TestRecordOrder(t *testing.T) {
	names := []string{"example", "a.example", "a-b.example", "b.a.example", "a.a.example", "a_.example", "0.example", "z.a-b.example", "example.org", "www.example.org", "ex-ample", "x.ex-ample"}
	for _, a := range names {
		for _, b := range names {
			x, y := filter.MustName(a), filter.MustName(b)
			got := bytes.Compare(appendTail(appendNameKey(nil, x), filter.Exact|filter.Important, 0xffff), appendTail(appendNameKey(nil, y), filter.Suffix, 0))
			if want := x.Compare(y); got*want < 0 || a != b && got == 0 {
				t.Errorf("%s and %s: records %d, names %d", a, b, got, want)
			}
		}
	}
}

func TestPrintable(t *testing.T) {
	for text, want := range map[string]string{
		"a\x1b[31mb\n":          `a\x1b[31mb\n`,
		"\u202egnp.exe":         `\u202egnp.exe`,
		"bücher":                "bücher",
		"\xff":                  `\xff`,
		strings.Repeat("a", 99): strings.Repeat("a", 80) + "…",
	} {
		if got := printable([]byte(text)); got != want {
			t.Errorf("%q: got %s, want %s", text, got, want)
		}
	}
}

// TestParsersAllocate: of a line nothing is left. Two small pieces for each name
// are publicsuffix's own, which tries to read it as an address first.
func TestParsersAllocate(t *testing.T) {
	for format, lines := range map[Format][]string{
		Hosts:    {"0.0.0.0 www.Some-Name.example # x", "127.0.0.1 localhost"},
		Domains:  {"www.some-name.co.uk", "*.some-name.example"},
		Adblock:  {"||www.some-name.example^$important", "@@||some-name.example^"},
		Dnsmasq:  {"address=/www.some-name.example/0.0.0.0", "server=/some-name.example/"},
		RPZ:      {"www.some-name.example CNAME .", "*.some-name.example 60 IN CNAME rpz-passthru."},
		V2fly:    {"www.some-name.example @ads # x", "full:www.some-name.example"},
		Wildcard: {"*.some-name.example"},
	} {
		s := &sink{report: &Report{}, emit: func([]byte, filter.Mode) (Reason, error) { return "", nil }}
		parse := parserFor(format)
		var all [][]byte
		for _, line := range lines {
			all = append(all, []byte(line))
		}
		each := func() {
			for _, line := range all {
				s.line = line
				parse(s, line)
			}
		}
		each() // buffers grow to their size
		if n := testing.AllocsPerRun(100, each); n > float64(2*len(lines)) {
			t.Errorf("%s: %.1f allocations for %d lines", format, n, len(lines))
		}
		if len(s.report.Refused) > 0 {
			t.Errorf("%s: refused %v", format, s.report.Samples)
		}
	}
}
