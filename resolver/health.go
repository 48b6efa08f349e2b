package resolver

import (
	"sync"
	"time"
)

const (
	// failuresAllowed is how many questions in a row a working upstream may
	// leave unanswered: one may be lost on the way, three are not chance.
	failuresAllowed = 3
	// backoffMin and backoffMax bound how long an upstream that does not
	// answer is left alone: short enough that a line that comes back is
	// noticed, long enough that a dead one costs nothing (RFC 9520 §3.2).
	backoffMin = time.Second
	backoffMax = 8 * time.Second
)

// health is what is known of how an upstream answers. One that has never
// answered, or has stopped to, gets one question at a time, and the others wait
// for what comes of it: a dead upstream gets a packet or two, not a flood.
type health struct {
	mu        sync.Mutex
	works     bool
	failures  int           // in a row
	restUntil time.Time     // it is left alone until then, if it does not work
	probe     chan struct{} // closed when the one question under way is over; nil if there is none
	usual     time.Duration // its usual time, smoothed as in RFC 6298 §2; 0 if not known
}

// standing tells whether the upstream works, as far as is known, and how long
// it takes.
func (h *health) standing() (works bool, usual time.Duration) {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.works, h.usual
}

// admit tells whether the upstream may be asked now; who is let in owes a
// report. Where another is trying it out, wait is closed when that is over;
// without, it is left alone.
func (h *health) admit(now time.Time) (may bool, wait <-chan struct{}) {
	h.mu.Lock()
	defer h.mu.Unlock()
	switch {
	case h.works:
		return true, nil
	case h.probe != nil:
		return false, h.probe
	case now.Before(h.restUntil):
		return false, nil
	}
	h.probe = make(chan struct{})
	return true, nil
}

// answered reports that an answer came, and after what time.
func (h *health) answered(took time.Duration) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.works, h.failures = true, 0
	if h.usual == 0 {
		h.usual = took
	}
	h.usual += (took - h.usual) / 8
	h.release()
}

// silent reports that no answer came.
func (h *health) silent(now time.Time) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.failures++
	if h.works && h.failures < failuresAllowed {
		return
	}
	h.works = false
	doublings := min(max(h.failures-failuresAllowed, 0), 3)
	h.restUntil = now.Add(min(backoffMin<<doublings, backoffMax))
	h.release()
}

func (h *health) release() {
	if h.probe != nil {
		close(h.probe)
		h.probe = nil
	}
}
