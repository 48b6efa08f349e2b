package e2e

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/miekg/dns"
)

// expect checks one thing about the replies to the last query or burst.
func (st *stage) expect(w []string) {
	st.t.Helper()
	switch w[0] {
	case "asked", "asked2", "asked3": // packets to an upstream since the query
		n := 0
		if s := strings.TrimPrefix(w[0], "asked"); s != "" {
			n, _ = strconv.Atoi(s)
			n--
		}
		u := st.upstreams[n]
		u.mu.Lock()
		got := u.asked - st.asked[n]
		u.mu.Unlock()
		st.compare("packets to the upstream", got, w[1])
		return
	case "ports", "ids": // how many different ones the upstreams were asked from and with
		got := 0
		for _, u := range st.upstreams {
			u.mu.Lock()
			got += map[string]int{"ports": len(u.ports), "ids": len(u.ids)}[w[0]]
			u.mu.Unlock()
		}
		st.compare(w[0], got, w[1])
		return
	case "took":
		op, want := operator(w[1])
		d, err := time.ParseDuration(want)
		if err != nil {
			st.fatal("%v", err)
		}
		if !holds(int(st.took.Milliseconds()), op, int(d.Milliseconds())) {
			st.fail("took %v, want %s", st.took, w[1])
		}
		return
	case "seen": // rules the observer was told of
		st.mu.Lock()
		got := strings.Join(st.seen, " ")
		st.mu.Unlock()
		if want := strings.Join(w[1:], " "); got != want && !(want == "nothing" && got == "") {
			st.fail("the observer saw %q, want %q", got, want)
		}
		return
	case "metric": // metric NAME VALUE
		var b strings.Builder
		if err := st.server.WriteMetrics(&b); err != nil {
			st.fatal("%v", err)
		}
		for line := range strings.Lines(b.String()) {
			if name, value, _ := strings.Cut(strings.TrimSpace(line), " "); name == w[1] {
				got, _ := strconv.Atoi(value)
				st.compare(w[1], got, w[2])
				return
			}
		}
		st.fail("there is no metric %s", w[1])
		return
	case "upstream-saw":
		st.upstreamSaw(w[1:])
		return
	case "silence":
		for _, r := range st.replies {
			if r.raw != nil {
				st.fail("got a reply, want silence: %x", r.raw)
			}
		}
		return
	case "answered": // how many of a burst got a reply
		n := 0
		for _, r := range st.replies {
			if r.raw != nil {
				n++
			}
		}
		st.compare("replies", n, w[1])
		return
	}
	for _, r := range st.replies {
		if r.msg == nil {
			st.fail("no reply, want %s", strings.Join(w, " "))
			return
		}
		st.expectOf(r, w)
	}
}

// expectOf checks one thing about one reply.
func (st *stage) expectOf(r reply, w []string) {
	st.t.Helper()
	m := r.msg
	opt := m.IsEdns0()
	switch w[0] {
	case "rcode":
		if got := dns.RcodeToString[m.Rcode]; got != w[1] && !(w[1] == "BADVERS" && m.Rcode == dns.RcodeBadVers) {
			st.fail("rcode %s, want %s\n%v", got, w[1], m)
		}
	case "answer": // the data of the answer section in its order, or none
		var got []string
		for _, rr := range m.Answer {
			got = append(got, strings.TrimSpace(strings.TrimPrefix(rr.String(), rr.Header().String())))
		}
		want := strings.Join(w[1:], " ")
		if s := strings.Join(got, " "); s != want && !(want == "none" && s == "") {
			st.fail("answer %q, want %q\n%v", s, want, m)
		}
	case "holds": // the answer section holds this, among others
		if !strings.Contains(m.String(), strings.Join(w[1:], " ")) {
			st.fail("the reply does not hold %q\n%v", strings.Join(w[1:], " "), m)
		}
	case "lacks":
		if strings.Contains(m.String(), strings.Join(w[1:], " ")) {
			st.fail("the reply holds %q\n%v", strings.Join(w[1:], " "), m)
		}
	case "count":
		st.compare("records", len(m.Answer), w[1])
	case "ttl":
		for _, rr := range slices.Concat(m.Answer, m.Ns) {
			st.compare("TTL", int(rr.Header().Ttl), w[1])
		}
	case "ede":
		got := "none"
		if opt != nil {
			for _, o := range opt.Option {
				if e, ok := o.(*dns.EDNS0_EDE); ok {
					got = fmt.Sprint(e.InfoCode)
				}
			}
		}
		if got != w[1] {
			st.fail("EDE %s, want %s\n%v", got, w[1], m)
		}
	case "opt":
		if w[1] == "none" && opt != nil || w[1] == "yes" && opt == nil {
			st.fail("want OPT %s\n%v", w[1], m)
		}
	case "opt-size":
		st.compare("UDP size", int(opt.UDPSize()), w[1])
	case "soa":
		n := 0
		for _, rr := range m.Ns {
			if rr.Header().Rrtype == dns.TypeSOA {
				n++
			}
		}
		if (n == 1) != (w[1] == "yes") {
			st.fail("%d SOAs, want %s\n%v", n, w[1], m)
		}
	case "authority":
		st.compare("records in authority", len(m.Ns), w[1])
	case "additional":
		st.compare("additional records", len(m.Extra), w[1])
	case "flag":
		flags := map[string]bool{"tc": m.Truncated, "ad": m.AuthenticatedData, "aa": m.Authoritative, "rd": m.RecursionDesired, "ra": m.RecursionAvailable, "cd": m.CheckingDisabled, "do": opt != nil && opt.Do()}
		name, want := strings.TrimPrefix(w[1], "no-"), !strings.HasPrefix(w[1], "no-")
		if flags[name] != want {
			st.fail("want flag %s\n%v", w[1], m)
		}
	case "size":
		st.compare("bytes", len(r.raw), w[1])
	case "question":
		got := "none"
		if len(m.Question) > 0 {
			got = m.Question[0].Name
		}
		if got != w[1] {
			st.fail("question %s, want %s", got, w[1])
		}
	default:
		st.fatal("%q is no statement", w[0])
	}
}

// upstreamSaw checks the last query the upstream got.
func (st *stage) upstreamSaw(w []string) {
	st.t.Helper()
	u := st.upstreams[0]
	u.mu.Lock()
	m := u.last
	u.mu.Unlock()
	if m == nil {
		st.fail("the upstream was not asked")
		return
	}
	opt := m.IsEdns0()
	has := func(code uint16) bool {
		return opt != nil && slices.ContainsFunc(opt.Option, func(o dns.EDNS0) bool { return o.Option() == code })
	}
	facts := map[string]bool{
		"edns": opt != nil, "do": opt != nil && opt.Do(), "cd": m.CheckingDisabled, "rd": m.RecursionDesired, "ecs": has(dns.EDNS0SUBNET), "cookie": has(dns.EDNS0COOKIE),
		"mac": has(65001), "mixed-case": m.Question[0].Name != strings.ToLower(m.Question[0].Name), "size-1232": opt != nil && opt.UDPSize() == 1232,
	}
	for _, f := range w {
		got, ok := facts[strings.TrimPrefix(f, "no-")]
		if !ok {
			st.fatal("%s is nothing that an upstream can see", f)
		}
		if got == strings.HasPrefix(f, "no-") {
			st.fail("the upstream should have seen %s\n%v", f, m)
		}
	}
}

func operator(s string) (op, rest string) {
	for _, op := range []string{"<=", ">=", "<", ">"} {
		if strings.HasPrefix(s, op) {
			return op, s[len(op):]
		}
	}
	return "=", s
}

func holds(got int, op string, want int) bool {
	switch op {
	case "<=":
		return got <= want
	case ">=":
		return got >= want
	case "<":
		return got < want
	case ">":
		return got > want
	}
	return got == want
}

func (st *stage) compare(what string, got int, want string) {
	st.t.Helper()
	op, number := operator(want)
	n, err := strconv.Atoi(number)
	if err != nil {
		st.fatal("%v", err)
	}
	if !holds(got, op, n) {
		st.fail("%s: %d, want %s", what, got, want)
	}
}
