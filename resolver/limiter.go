package resolver

import (
	"hash/maphash"
	"net/netip"
	"sync/atomic"
	"time"
)

// limiterSlots is how many clients are told apart; more than a house has. Two
// that share a slot share its allowance, and are sent to TCP sooner.
const limiterSlots = 1024

// clockSlack is how much later a query may have been read that comes to its
// bucket earlier. What is further ahead was noted by another setting of the clock.
const clockSlack = time.Second

// limiter counts what each client does: a token bucket an address, or a /64 of
// IPv6, in a fixed table.
//
// Over UDP it counts queries, and holds one second's worth. Who goes over gets
// a truncated reply, never silence: a source over UDP can be forged, so the one
// who floods may not be the one who is limited, and the real one is answered
// over TCP. Nothing larger than the query is sent, so it amplifies nothing.
type limiter struct {
	cost  time.Duration // of one token; 0: no limit
	burst time.Duration // what a full bucket is worth
	seed  maphash.Seed
	slots [limiterSlots]atomic.Int64 // when the bucket is full again, in nanoseconds
}

// newLimiter makes buckets that hold so many tokens, and fill in burst.
func newLimiter(tokens int64, burst time.Duration) *limiter {
	l := &limiter{burst: burst, seed: maphash.MakeSeed()}
	if tokens > 0 {
		l.cost = burst / time.Duration(tokens)
	}
	return l
}

func (l *limiter) slot(source netip.Addr) *atomic.Int64 {
	a := source.As16()
	if source.Is6() {
		clear(a[8:])
	}
	return &l.slots[maphash.Bytes(l.seed, a[:])%limiterSlots]
}

// giveBack returns a token that was taken.
func (l *limiter) giveBack(source netip.Addr) { l.slot(source).Add(-int64(l.cost)) }

// allow takes a token. Loopback is not limited: it is dnsmasq, for everybody.
func (l *limiter) allow(source netip.Addr, now time.Time) bool {
	return l.cost == 0 || source.IsLoopback() || l.take(source, now)
}

// take takes a token from anybody's bucket.
func (l *limiter) take(source netip.Addr, now time.Time) bool {
	slot, cost, t := l.slot(source), int64(l.cost), now.UnixNano()
	for {
		full := slot.Load()
		after := max(full, t) + cost
		if full > t+int64(l.burst+clockSlack) { // the clock was set back
			after = t + cost
		}
		if after > t+int64(l.burst) {
			return false
		}
		if slot.CompareAndSwap(full, after) {
			return true
		}
	}
}
