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

// limiter counts the queries of each client over UDP: a token bucket an
// address, or a /64 of IPv6, that holds one second's worth. Who goes over gets
// a truncated reply, never silence: a source over UDP can be forged, so the one
// who floods may not be the one who is limited, and the real one is answered
// over TCP. Nothing larger than the query is sent, so it amplifies nothing.
type limiter struct {
	rate  int64 // queries a second; 0: no limit
	seed  maphash.Seed
	slots [limiterSlots]atomic.Int64 // when the bucket is full again, in nanoseconds
}

func newLimiter(rate int) *limiter {
	return &limiter{rate: int64(max(rate, 0)), seed: maphash.MakeSeed()}
}

// allow takes a token. Loopback is not limited: it is dnsmasq, for everybody.
func (l *limiter) allow(source netip.Addr, now time.Time) bool {
	if l.rate == 0 || source.IsLoopback() {
		return true
	}
	a := source.As16()
	if source.Is6() {
		clear(a[8:])
	}
	slot := &l.slots[maphash.Bytes(l.seed, a[:])%limiterSlots]
	cost := int64(time.Second) / l.rate
	t := now.UnixNano()
	for {
		full := slot.Load()
		after := max(full, t) + cost
		if full > t+int64(time.Hour) { // the clock was set back
			after = t + cost
		}
		if after > t+int64(time.Second) {
			return false
		}
		if slot.CompareAndSwap(full, after) {
			return true
		}
	}
}
