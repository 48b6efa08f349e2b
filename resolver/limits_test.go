package resolver

import (
	"context"
	"fmt"
	"net"
	"net/netip"
	"os"
	"runtime"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"
)

// mute is a connection on which nothing is ever heard.
type mute struct {
	deadline atomic.Int64
}

func (m *mute) Read([]byte) (int, error) {
	time.Sleep(time.Until(time.Unix(0, m.deadline.Load())))
	return 0, os.ErrDeadlineExceeded
}
func (m *mute) Write(b []byte) (int, error)    { return len(b), nil }
func (m *mute) Close() error                   { return nil }
func (m *mute) SetDeadline(t time.Time) error  { m.deadline.Store(t.UnixNano()); return nil }
func (*mute) SetReadDeadline(time.Time) error  { return nil }
func (*mute) SetWriteDeadline(time.Time) error { return nil }
func (*mute) LocalAddr() net.Addr              { return nil }
func (*mute) RemoteAddr() net.Addr             { return nil }

// TestTenThousandOutstanding holds the memory that questions without an answer
// take: what limits.go says of flights and of what waits for them.
func TestTenThousandOutstanding(t *testing.T) {
	const budget = 32 << 20 // bytes: 1,024 flights of some 14 KiB, 4,096 waiting of 1.5 KiB, and what this test itself holds
	synctest.Test(t, func(t *testing.T) {
		s := testServer(t, func(c *Config) {
			c.Upstreams = []Upstream{{Addr: netip.MustParseAddrPort("192.0.2.1:53")}}
			c.Dial = func(context.Context, string, netip.AddrPort) (net.Conn, error) { return &mute{}, nil }
		})
		for _, u := range s.routes.rest.upstreams {
			u.health.answered(100 * time.Millisecond) // it has worked until now
		}
		memory := func() uint64 {
			var m runtime.MemStats
			runtime.GC()
			runtime.ReadMemStats(&m)
			return m.HeapAlloc + m.StackInuse
		}
		before := memory()
		var wg sync.WaitGroup
		var replies atomic.Int32
		began := time.Now()
		for i := range 10_000 {
			source := netip.AddrPortFrom(netip.AddrFrom4([4]byte{192, 168, 1, byte(i % 40)}), 5353)
			p := packet(t, fmt.Sprintf("n%d.example.", i), typeA)
			wg.Go(func() {
				if s.Handle(t.Context(), source, UDP, p) != nil {
					replies.Add(1)
				}
			})
		}
		synctest.Wait()
		aloft, pending := s.flights.under()
		if aloft > flightsMax || pending > pendingMax || aloft < flightsMax/2 {
			t.Errorf("%d flights, %d waiting", aloft, pending)
		}
		if used := memory() - before; used > budget {
			t.Errorf("%d flights and %d waiting hold %d KiB", aloft, pending, used>>10)
		}
		wg.Wait()
		if replies.Load() != 10_000 {
			t.Errorf("%d of 10,000 were told something", replies.Load())
		}
		if took := time.Since(began); took > replyAgeMax {
			t.Errorf("the last was told after %v", took)
		}
		if aloft, pending = s.flights.under(); aloft+pending != 0 || len(s.flights.clients) != 0 {
			t.Errorf("left over: %d flights, %d waiting, %d clients", aloft, pending, len(s.flights.clients))
		}
		s.Close()
	})
}

// TestLateReplyIsDropped keeps queries from being saved up and let loose at
// once (DNSBomb).
func TestLateReplyIsDropped(t *testing.T) {
	now := time.Now()
	s := testServer(t, func(c *Config) { c.Now = func() time.Time { return now } })
	for _, c := range []struct {
		transport Transport
		age       time.Duration
		replied   bool
	}{{UDP, time.Second, true}, {UDP, 2 * time.Second, false}, {TCP, 2 * time.Second, true}} {
		q := &parked{query: query{source: netip.MustParseAddrPort("192.168.1.20:1"), transport: c.transport, packet: packet(t, "www.example.", typeA), arrived: now.Add(-c.age)}}
		if code := q.parse(); code != noError {
			t.Fatal(code)
		}
		done := make(promise, 1)
		q.to = done
		s.resume(q, nil, edeNoReachable)
		if reply := <-done; (reply != nil) != c.replied {
			t.Errorf("after %v: %x", c.age, reply)
		}
	}
	if s.metrics.LimitReplyAge.Load() != 1 {
		t.Error("the limit was not counted")
	}
}

// TestTCPIdle closes a connection that says nothing, and one that says a byte
// now and then, after ten seconds (RFC 7766 §6.2.3).
func TestTCPIdle(t *testing.T) {
	for _, drip := range []bool{false, true} {
		synctest.Test(t, func(t *testing.T) {
			s := testServer(t, nil)
			ours, theirs := net.Pipe()
			c := &tcpConn{conn: ours, client: netip.MustParseAddrPort("192.168.1.20:1"), waits: make(chan struct{}, tcpPipeline)}
			s.listeners.conns.add(c)
			began := time.Now()
			ended := make(chan time.Duration, 1)
			go func() {
				s.converse(c, TCP)
				ended <- time.Since(began)
			}()
			if drip {
				go func() {
					for {
						time.Sleep(3 * time.Second)
						if _, err := theirs.Write([]byte{0}); err != nil {
							return
						}
					}
				}()
			}
			if took := <-ended; took > tcpIdle {
				t.Errorf("drip %v: closed after %v", drip, took)
			}
			theirs.Close()
			if s.listeners.connections() != 0 {
				t.Error("the connection is still counted")
			}
			s.Close()
			time.Sleep(10 * time.Second)
		})
	}
}

// TestLimiter counts clients apart, an IPv6 network as one, and is fair to one
// whose clock was set.
func TestLimiter(t *testing.T) {
	l := newLimiter(10, time.Second)
	now := time.Unix(1_800_000_000, 0)
	count := func(source string, n int) (allowed int) {
		for range n {
			if l.allow(netip.MustParseAddr(source), now) {
				allowed++
			}
		}
		return allowed
	}
	if n := count("192.168.1.20", 100); n != 10 {
		t.Errorf("%d of 100 at once", n)
	}
	if n := count("192.168.1.21", 5); n != 5 {
		t.Errorf("the neighbour: %d of 5", n)
	}
	if n := count("fd00::1", 8) + count("fd00::2", 8); n != 10 {
		t.Errorf("one network: %d of 16", n)
	}
	if n := count("127.0.0.1", 100); n != 100 {
		t.Errorf("loopback: %d of 100", n)
	}
	now = now.Add(500 * time.Millisecond)
	if n := count("192.168.1.20", 100); n != 5 {
		t.Errorf("half a second later: %d", n)
	}
	now = time.Unix(0, 0) // the clock was set back
	if n := count("192.168.1.20", 100); n == 0 {
		t.Error("muted by the clock")
	}
}

// TestNumbersDoNotRepeat draws ids as a burst of questions does.
func TestNumbersDoNotRepeat(t *testing.T) {
	var n numbers
	n.seed()
	var last []uint16
	for i := range 100_000 {
		v := n.draw()
		for _, w := range last[max(0, len(last)-freshFor+1):] {
			if v == w {
				t.Fatalf("draw %d repeats one of the last %d", i, freshFor)
			}
		}
		if last = append(last, v); len(last) > 2*freshFor {
			last = last[freshFor:]
		}
	}
}
