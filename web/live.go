package web

import (
	"fmt"
	"net/http"
	"net/netip"
	"sync"
	"time"
)

const (
	// maxStreams and maxStreamsEach bound pages that are live at once, in all
	// and per address; a stream holds a connection and about 10 KiB.
	maxStreams     = 32
	maxStreamsEach = 6
	// heartbeat keeps a stream from being taken for dead by what lies between.
	heartbeat = 25 * time.Second
)

// streams counts the pages that are live.
type streams struct {
	mu   sync.Mutex
	all  int
	each map[netip.Addr]int
}

func newStreams() *streams { return &streams{each: map[netip.Addr]int{}} }

func (s *streams) enter(addr netip.Addr) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.all >= maxStreams || s.each[addr] >= maxStreamsEach {
		return false
	}
	s.all++
	s.each[addr]++
	return true
}

func (s *streams) leave(addr netip.Addr) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.all--
	if s.each[addr]--; s.each[addr] == 0 {
		delete(s.each, addr)
	}
}

// serveLive tells a page that something changed, by server-sent events. What
// changed is not said: the page asks for itself again, under its own rights.
// Hours change too, so it also tells when a person's next phase begins.
func (s *Server) serveLive(w http.ResponseWriter, r *http.Request) {
	v := s.visitor(r)
	if !s.live.enter(v.addr) {
		w.Header().Set("Retry-After", "60")
		http.Error(w, "Too many pages are open.", http.StatusTooManyRequests)
		return
	}
	defer s.live.leave(v.addr)
	w.Header().Set("Content-Type", "text/event-stream")
	c := http.NewResponseController(w)
	_ = c.SetReadDeadline(time.Time{}) // it stays open
	watch := make(chan struct{}, 1)
	defer s.home.Notify(watch)()
	if _, err := fmt.Fprint(w, "retry: 3000\n\n"); err != nil || c.Flush() != nil {
		return
	}
	beat := time.NewTicker(heartbeat)
	defer beat.Stop()
	next := s.nextEdge(s.now())
	for {
		var text string
		select {
		case <-r.Context().Done():
			return
		case <-watch:
			text = "event: changed\ndata:\n\n"
		case <-beat.C:
			text = ":\n\n"
			if now := s.now(); !next.IsZero() && !now.Before(next) {
				text = "event: changed\ndata:\n\n"
			}
		}
		next = s.nextEdge(s.now())
		_ = c.SetWriteDeadline(time.Now().Add(bodyTimeout))
		if _, err := fmt.Fprint(w, text); err != nil || c.Flush() != nil {
			return
		}
	}
}
