package resolver

import (
	"sync"
	"time"
)

const (
	// failuresAllowed is how many questions in a row a working upstream may
	// leave unanswered: one may be lost on the way, three are not chance.
	failuresAllowed = 3
	// probesPerRest is how many packets, one after the other, an upstream that
	// does not work leaves unanswered before it is left alone for a while: the
	// first may have been lost, or hold a question that nobody can answer.
	probesPerRest = 2
	// backoffMin and backoffMax bound how long an upstream that does not
	// answer is left alone: short enough that a line that comes back is
	// noticed, long enough that a dead one costs nothing (RFC 9520 §3.2).
	backoffMin = time.Second
	backoffMax = 8 * time.Second
)

// health is what is known of how an upstream answers. While one has never
// answered, or has stopped to, one question at a time is put to it, and the
// others wait for what comes of that: a dead upstream gets a packet or two, not
// a flood. A question left unanswered may be one that nobody can answer, so
// before an upstream is left alone it is asked one that everybody can.
type health struct {
	mu        sync.Mutex
	works     bool
	failures  int           // in a row
	probes    int           // left unanswered since it last rested, while it does not work
	rests     int           // since it last worked
	restUntil time.Time     // it is left alone until then, if it does not work
	probe     chan struct{} // closed when the one question under way is over; nil if there is none
	usual     time.Duration // its usual time, smoothed as in RFC 6298 §2; 0 if not known
}

// admission is whether and how an upstream may be asked.
type admission uint8

const (
	ready   admission = iota // it works
	newborn                  // nothing is known of it: whatever is asked tells
	suspect                  // to be asked what everybody can answer first
	busy                     // somebody is finding out
	resting                  // it is left alone
)

// standing tells whether the upstream works, as far as is known, and how long
// it takes.
func (h *health) standing() (works bool, usual time.Duration) {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.works, h.usual
}

// dead tells whether nothing has come from the upstream for so long that it was
// left alone. One that nobody has asked yet is not dead.
func (h *health) dead() bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	return !h.works && h.rests > 0
}

// Reachable tells whether an upstream may answer: false where there is none, or
// all were silent when they were asked last. Any goroutine may ask.
func (s *Server) Reachable() bool {
	for _, u := range s.routes.rest.upstreams {
		if !u.health.dead() {
			return true
		}
	}
	return false
}

// admit tells whether the upstream may be asked now; who is let in owes a
// report. With busy comes a channel that is closed when more is known.
func (h *health) admit(now time.Time) (admission, <-chan struct{}) {
	h.mu.Lock()
	defer h.mu.Unlock()
	switch {
	case h.works:
		return ready, nil
	case h.probe != nil:
		return busy, h.probe
	}
	if left := h.restUntil.Sub(now); left > 0 && left <= backoffMax { // more: the clock was set back
		return resting, nil
	}
	h.probe = make(chan struct{})
	if h.probes == 0 && h.rests == 0 {
		return newborn, nil
	}
	return suspect, nil
}

// answered reports that an answer came, and after what time.
func (h *health) answered(took time.Duration) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.works, h.failures, h.probes, h.rests = true, 0, 0, 0
	if h.usual == 0 {
		h.usual = took
	}
	h.usual += (took - h.usual) / 8
	h.release()
}

// silent reports that no answer came to a question that was let in as a.
func (h *health) silent(a admission, now time.Time) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if a == ready {
		if h.failures++; h.works && h.failures >= failuresAllowed {
			h.works, h.probes = false, 1
		}
		return // what was asked while it worked says nothing of how it is now
	}
	if h.probes++; h.probes >= probesPerRest {
		h.restUntil = now.Add(min(backoffMin<<min(h.rests, 8), backoffMax))
		h.probes = 0
		h.rests++
	}
	h.release()
}

func (h *health) release() {
	if h.probe != nil {
		close(h.probe)
		h.probe = nil
	}
}
