package resolver

import (
	"net/netip"
	"sync"
	"time"

	"github.com/treehouse-dns/treehouse/filter"
)

// flights are the questions on their way to upstreams. Queries that ask the
// same join one flight: that spares the upstream, and a forger who makes us ask
// many times gets one chance and not many (CVE-2020-25686). Flights keep their
// own counts of what is going on and refuse more than limits.go allows.
type flights struct {
	mu      sync.Mutex
	aloft   map[uint64]*flight // by the hash of the question, or the next that is free
	pending int
	clients map[netip.Addr]burden
}

// flight is one question on its way.
type flight struct {
	id      uint64 // its place in aloft
	key     key
	client  netip.Addr // who began it; invalid for a prefetch
	waiting []*parked
	names   [filter.MaxNameLen]byte
}

// burden is what one client has going on.
type burden struct {
	pending, flights int
}

// refusal is why a query may not wait.
type refusal uint8

const (
	welcome refusal = iota
	tooManyPending
	tooManyFlights
)

// join has q wait for the answer to k. first tells that the caller has to see
// to it that an answer comes. A nil q is a prefetch, that nobody waits for.
func (f *flights) join(k *key, q *parked) (fl *flight, first bool, no refusal) {
	f.mu.Lock()
	defer f.mu.Unlock()
	id := k.hash
	for fl = f.aloft[id]; fl != nil && !fl.key.equal(k); fl = f.aloft[id] {
		id++
	}
	if q == nil && (fl != nil || len(f.aloft) >= flightsMax/2) { // a prefetch takes nobody's place
		return nil, false, tooManyFlights
	}
	var client netip.Addr
	if q != nil {
		client = q.source.Addr()
		b := f.clients[client]
		switch {
		case f.pending >= pendingMax, b.pending >= pendingPerClient:
			return nil, false, tooManyPending
		case fl == nil && (len(f.aloft) >= flightsMax || b.flights >= flightsPerClient && !client.IsLoopback()):
			return nil, false, tooManyFlights // loopback is dnsmasq, for everybody
		}
		b.pending++
		f.pending++
		if fl == nil {
			b.flights++
		}
		f.clients[client] = b
	}
	if fl == nil {
		fl, first = &flight{id: id, key: *k, client: client}, true
		fl.key.name = fl.names[:copy(fl.names[:], k.name)]
		f.aloft[id] = fl
	}
	if q != nil {
		fl.waiting = append(fl.waiting, q)
	}
	return fl, first, welcome
}

// land ends a flight and gives those who waited for it.
func (f *flights) land(fl *flight) []*parked {
	f.mu.Lock()
	defer f.mu.Unlock()
	delete(f.aloft, fl.id)
	for _, q := range fl.waiting {
		f.pending--
		f.lighten(q.source.Addr(), burden{pending: 1})
	}
	if fl.client.IsValid() {
		f.lighten(fl.client, burden{flights: 1})
	}
	return fl.waiting
}

func (f *flights) lighten(client netip.Addr, by burden) {
	b := f.clients[client]
	b.pending -= by.pending
	b.flights -= by.flights
	if b == (burden{}) {
		delete(f.clients, client)
		return
	}
	f.clients[client] = b
}

// under is how many flights and waiting queries there are.
func (f *flights) under() (aloft, pending int) {
	f.mu.Lock()
	defer f.mu.Unlock()
	return len(f.aloft), f.pending
}

// wait keeps q until the answer to q.want is there, and sees to it that it
// comes. What cannot wait is refused at once, so that nobody waits in vain.
func (s *Server) wait(q *parked, to writer) {
	q.to = to
	k := q.want
	k.name = append(q.target[:0], k.name...) // which may lie in the buffer that the query was copied from
	q.want.name = nil
	fl, first, no := s.flights.join(&k, q)
	switch {
	case no == tooManyPending:
		s.metrics.LimitPending.Add(1)
	case no == tooManyFlights:
		s.metrics.LimitFlights.Add(1)
	case first:
		s.metrics.Misses.Add(1)
		s.dispatch(fl)
	default:
		s.metrics.Merged.Add(1)
	}
	if no != welcome {
		q.found, q.failed = nil, edeNetwork
		reply, _ := s.handle(&q.query)
		s.finish(q, reply)
	}
}

// finish writes the reply of a query that waited, and lets go of it.
func (s *Server) finish(q *parked, reply []byte) {
	q.to.writeReply(reply)
	if q.to == writer(&q.back) { // which has sent it; other writers still hold its memory
		q.to, q.found, q.back = nil, nil, later{}
		if cap(q.scratch) > udpQueryMax {
			q.scratch = nil
		}
		s.parked.Put(q)
	}
}

// prefetch asks for k again before its time is over, for nobody in particular.
func (s *Server) prefetch(q *query, k *key) {
	if s.failures.recent(k.hash, q.now) != 0 {
		return
	}
	mine := *k
	fl, first, _ := s.flights.join(&mine, nil)
	if first {
		s.metrics.Prefetches.Add(1)
		s.dispatch(fl)
	}
}

// dispatch gives a flight to a goroutine that has nothing to do, or to a new
// one. Some stay for the next: a stack that has grown is worth keeping.
func (s *Server) dispatch(fl *flight) {
	select {
	case s.work <- fl:
	default:
		s.tasks.Go(func() {
			for s.fly(fl); s.idle.Add(1) <= crewKept; {
				select {
				case fl = <-s.work:
					s.idle.Add(-1)
					s.fly(fl)
				case <-s.ctx.Done():
					return
				}
			}
			s.idle.Add(-1)
		})
	}
}

// fly takes a flight to the upstreams and back, and answers those who wait.
func (s *Server) fly(fl *flight) {
	e, err := s.forward(&fl.key)
	if err == nil {
		if !e.has(markUncached) {
			s.cache.put(&fl.key, e)
		}
	} else {
		s.failures.note(fl.key.hash, why(err), s.config.Now())
	}
	for _, q := range s.flights.land(fl) {
		s.resume(q, e, why(err))
	}
}

// resume takes a query that waited through the story once more, now that an
// answer is there or none will come.
func (s *Server) resume(q *parked, e entry, reason ede) {
	q.now = s.config.Now()
	q.found, q.failed = e, reason
	q.rounds++
	if q.transport == UDP && q.now.Sub(q.arrived) > replyAgeMax {
		s.metrics.LimitReplyAge.Add(1)
		s.finish(q, nil)
		return
	}
	reply, wait := s.handle(&q.query)
	if wait {
		s.wait(q, q.to)
		return
	}
	s.finish(q, reply)
}

// failures remembers for a few seconds which questions could not be answered,
// so that they are not asked again at once (RFC 9520 §3.2). It is a fixed
// table: a collision forgets the older, which costs one more question.
type failures struct {
	mu    sync.Mutex
	table [1024]failure
}

type failure struct {
	hash  uint64
	until time.Time
	why   ede
}

func (f *failures) note(hash uint64, why ede, now time.Time) {
	f.mu.Lock()
	f.table[hash%uint64(len(f.table))] = failure{hash, now.Add(ttlFailure * time.Second), why}
	f.mu.Unlock()
}

// recent tells why a question failed a moment ago, 0 if it did not.
func (f *failures) recent(hash uint64, now time.Time) ede {
	f.mu.Lock()
	defer f.mu.Unlock()
	e := &f.table[hash%uint64(len(f.table))]
	left := e.until.Sub(now)
	if e.hash != hash || left <= 0 || left > ttlFailure*time.Second { // more: the clock was set back
		return 0
	}
	return e.why
}
