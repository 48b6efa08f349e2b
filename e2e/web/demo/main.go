// Command demo serves the pages over a family in memory, for a browser to be
// driven against. Each loopback address stands for a device: who opens
// http://127.0.0.2:PORT is Ana's tablet.
//
// It prints one line of JSON: the port of the pages, and of the switchboard with
// which a test sets the scene.
package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log"
	"net"
	"net/http"
	"net/netip"
	"os"
	"os/signal"
	"strings"
	"sync/atomic"
	"time"

	"github.com/treehouse-dns/treehouse/e2e/web/sample"
	"github.com/treehouse-dns/treehouse/filter"
	"github.com/treehouse-dns/treehouse/household"
	"github.com/treehouse-dns/treehouse/web"
)

// passphrase is the parent's in every scene.
const passphrase = "a warm quiet house"

// scene is one state of everything, replaced as a whole.
type scene struct {
	home   *sample.Home
	vault  *sample.Vault
	server *web.Server
	probes *web.Probes
	asks   atomic.Pointer[string] // which of the made-up names come to our resolver: all, some, none
	now    atomic.Int64           // Unix seconds
	kept   []byte                 // the vault that a new scene begins with: hashing takes a second
}

func main() {
	log.SetFlags(0)
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	if err := run(ctx); err != nil {
		log.Fatal(err)
	}
}

func run(ctx context.Context) error {
	var now atomic.Pointer[scene]
	s, err := newScene(true, nil, web.Brand{})
	if err != nil {
		return err
	}
	now.Store(s)
	pages, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	port := pages.Addr().(*net.TCPAddr).Port
	serve := func(l net.Listener) {
		server := &http.Server{Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { now.Load().serve(w, r) })}
		log.Print(server.Serve(devices{l}))
	}
	go serve(pages)
	for _, host := range []string{"127.0.0.2", "127.0.0.3", "127.0.0.4", "127.0.0.9"} {
		l, err := net.Listen("tcp", fmt.Sprintf("%s:%d", host, port))
		if err != nil {
			return err
		}
		go serve(l)
	}
	board, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	go func() {
		log.Print(http.Serve(board, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if err := set(&now, r); err != nil {
				http.Error(w, err.Error(), http.StatusBadRequest)
				return
			}
			fmt.Fprint(w, now.Load().server.ClaimCode())
		})))
	}()
	_ = json.NewEncoder(os.Stdout).Encode(map[string]any{"port": port, "board": board.Addr().(*net.TCPAddr).Port, "passphrase": passphrase})
	<-ctx.Done()
	return nil
}

// devices makes a connection to an address look as if it came from there: the
// kernel would choose 127.0.0.1 for all of them.
type devices struct{ net.Listener }

func (d devices) Accept() (net.Conn, error) {
	c, err := d.Listener.Accept()
	if err != nil {
		return nil, err
	}
	return device{c}, nil
}

type device struct{ net.Conn }

func (d device) RemoteAddr() net.Addr { return d.LocalAddr() }

// newScene is Monday, 23 November 2026, half past four in London.
func newScene(claimed bool, kept []byte, brand web.Brand) (*scene, error) {
	zone, err := time.LoadLocation("Europe/London")
	if err != nil {
		return nil, err
	}
	s := &scene{vault: &sample.Vault{}, kept: kept}
	s.now.Store(time.Date(2026, 11, 23, 16, 30, 0, 0, zone).Unix())
	clock := func() time.Time { return time.Unix(s.now.Load(), 0) }
	if s.home, err = sample.New(clock, zone); err != nil {
		return nil, err
	}
	switch {
	case claimed && kept != nil:
		err = s.vault.Save(kept)
	case claimed:
		if err = web.Claim(s.vault, "", passphrase); err == nil {
			err = ready(s.vault)
		}
	}
	if err != nil {
		return nil, err
	}
	s.probes = web.NewProbes(web.DefaultName, func(source netip.Addr, _ []byte) filter.PolicyID {
		_, person := s.home.Whose(source)
		return person
	}, clock)
	all := "all"
	s.asks.Store(&all)
	s.server, err = web.New(web.Options{
		Home: s.home, Vault: s.vault, Country: "GB", Now: clock, Brand: brand, LANPage: true, Probes: s.probes,
		Look: func(context.Context) []web.Tested {
			firewall := web.ResultMend
			if *s.asks.Load() == "all" {
				firewall = web.ResultGood
			}
			return []web.Tested{{What: "names", Result: web.ResultGood}, {What: "canaries", Result: web.ResultUnknown}, {What: "firewall", Result: firewall}}
		},
		Away: func(token string) web.Way {
			return web.Way{TLS: token + ".dns.example.net", HTTPS: "https://dns.example.net:8443/dns-query/" + token}
		},
	})
	return s, err
}

// serve answers a request. One for a made-up name has been a question to a
// resolver before; the scene tells whether it was ours.
func (s *scene) serve(w http.ResponseWriter, r *http.Request) {
	label, _, probe := strings.Cut(r.Host, ".probe.")
	if probe {
		switch how := *s.asks.Load(); {
		case how == "none", how == "some" && strings.HasSuffix(label, "3"):
			http.Error(w, "nobody told the way here", http.StatusMisdirectedRequest)
			return
		}
		source, _ := netip.ParseAddrPort(r.RemoteAddr)
		s.probes.Asked(source.Addr(), nil, []byte(label), false)
	}
	s.server.ServeHTTP(w, r)
}

// ready marks the set-up as gone through.
func ready(vault *sample.Vault) error {
	raw, err := vault.Load()
	if err != nil {
		return err
	}
	value := map[string]any{}
	if err := json.Unmarshal(raw, &value); err != nil {
		return err
	}
	value["ready"] = true
	if raw, err = json.Marshal(value); err != nil {
		return err
	}
	return vault.Save(raw)
}

// set changes the scene: /reset?claimed=no, /empty, /clock?at=21:05,
// /block?addr=127.0.0.2&name=tiktok.com, /trouble?of=offline, /ask, /newcomer, /birthday, /away,
// /probes?us=some, /later (a few seconds pass), /counts?how=none, /log, /asks?name=tiktok.com, /report,
// /grown, /broken, /ticket, /pause. /keep keeps who is signed in over later resets.
func set(now *atomic.Pointer[scene], r *http.Request) error {
	s, q := now.Load(), r.URL.Query()
	clock := func() time.Time { return time.Unix(s.now.Load(), 0) }
	switch r.URL.Path {
	case "/reset":
		var brand web.Brand
		if q.Get("brand") != "" {
			logo, err := web.CleanLogo([]byte(q.Get("brand")))
			if err != nil {
				return err
			}
			brand = web.Brand{Name: "Hillside Fibre", Logo: logo, Hue: 265, Support: "0800 123 456"}
		}
		next, err := newScene(q.Get("claimed") != "no", s.kept, brand)
		if err == nil {
			now.Store(next)
		}
		return err
	case "/keep":
		kept, err := s.vault.Load()
		s.kept = kept
		return err
	case "/counts":
		s.home.Counts(q.Get("how"))
		return s.home.Change(func(h *household.Household) error { h.SetCountingForAll(true); return nil })
	case "/log":
		return s.home.Change(func(h *household.Household) error {
			return h.LogDevice(1, clock(), clock().Add(time.Hour), "Maria")
		})
	case "/asks":
		for name := range strings.SplitSeq(q.Get("name"), ",") {
			s.home.Ask(1, name, clock())
		}
	case "/report":
		return s.home.Change(func(h *household.Household) error {
			if _, err := h.Report(household.Report{Site: "help.example", Topic: "adult", Lists: []string{"", "adults-list"}}, clock().Add(-time.Hour)); err != nil {
				return err
			}
			_, err := h.Report(household.Report{Site: "a-rather-long-name-of-a-site.with-many-labels.example", Missed: true, Lists: []string{"by-hand"}}, clock())
			return err
		})
	case "/pause":
		return s.home.Change(func(h *household.Household) error { return h.Pause(1, clock(), time.Time{}) })
	case "/grown":
		return s.home.Change(func(h *household.Household) error { return h.SetBand(2, "16-17") })
	case "/ticket":
		return s.home.Change(func(h *household.Household) error {
			h.Person(1).Tickets = append(h.Person(1).Tickets, household.Ticket{Minutes: 30, Of: household.ExceptNight, Expires: clock().Add(time.Hour)})
			return nil
		})
	case "/broken":
		s.home.Broken = errors.New("the disk is full")
	case "/empty":
		s.home.Empty()
	case "/clock":
		at, err := time.Parse("15:04", q.Get("at"))
		if err != nil {
			return err
		}
		t := clock().In(s.home.Household().Zone())
		s.now.Store(time.Date(t.Year(), t.Month(), t.Day(), at.Hour(), at.Minute(), 0, 0, t.Location()).Unix())
	case "/block":
		addr, err := netip.ParseAddr(q.Get("addr"))
		if err != nil {
			return err
		}
		s.home.Block(addr, q.Get("name"), clock())
	case "/trouble":
		var all []web.Trouble
		for t := range strings.SplitSeq(q.Get("of"), ",") {
			all = append(all, web.Trouble(t))
		}
		s.home.Trouble(all...)
	case "/ask":
		return s.home.Change(func(h *household.Household) error {
			_, err := h.Ask(household.Request{Person: filter.PolicyID(1), Site: "www.tiktok.com", Words: q.Get("words")}, clock().Add(-7*time.Minute))
			return err
		})
	case "/newcomer":
		return s.home.Change(func(h *household.Household) error {
			_, err := h.AddDevice(household.Device{Hint: q.Get("hint"), Name: q.Get("hint"), MACs: []household.MAC{{2, 0, 0, 0, 0, byte(len(h.Devices))}}, Addrs: []netip.Addr{netip.AddrFrom4([4]byte{127, 0, 0, byte(10 + len(h.Devices))})}})
			return err
		})
	case "/probes":
		how := q.Get("us")
		s.asks.Store(&how)
	case "/later":
		s.now.Add(5)
	case "/birthday":
		return s.home.Change(func(h *household.Household) error {
			h.People[0].Born.Year--
			return nil
		})
	case "/away":
		return s.home.Change(func(h *household.Household) error {
			_, err := h.LetAway(h.Devices[0].ID)
			return err
		})
	case "/nothing":
	default:
		return fmt.Errorf("the switchboard has no %s", r.URL.Path)
	}
	return nil
}
