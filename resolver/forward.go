package resolver

import (
	"bytes"
	"cmp"
	"encoding/binary"
	"errors"
	"slices"
	"time"
)

// exploreEvery is how often the fastest strategy asks another upstream as well,
// to find out whether the fastest still is: once in so many questions.
const exploreEvery = 64

// parallelMax is how many upstreams the parallel strategy asks at once; that
// leaves one packet of askMax for TCP.
const parallelMax = 2

// Errors of asking upstreams.
var (
	errNobody  = errors.New("no upstream can be asked now")
	errRefused = errors.New("the upstream answered that it cannot say")
)

// why is the extended error that tells a client what went wrong (RFC 8914
// §4.23, §4.24).
func why(err error) ede {
	switch {
	case err == nil:
		return 0
	case errors.Is(err, errNobody), errors.Is(err, errSilent):
		return edeNoReachable
	}
	return edeNetwork
}

// forward asks the upstreams for k until one has answered, the time is over or
// the packets are used up.
func (s *Server) forward(k *key) (entry, error) {
	r := s.routes.find(k.name)
	deadline := time.Now().Add(askTime)
	if r.strategy == Parallel && len(r.upstreams) > 1 {
		return s.forwardParallel(k, r, deadline)
	}
	order := r.order(s)
	sends := 1
	if len(order) == 1 {
		sends = 2 // a packet may get lost, and there is nobody else
	}
	t := trial{server: s, route: r, key: k, deadline: deadline, budget: askMax, share: max(sends, min(len(order), askMax))}
	t.asked = t.room[:0]
	err := errNobody
	for len(t.asked) < len(order) && t.budget > 0 {
		u := s.choose(order, t.asked, deadline)
		if u == nil {
			break
		}
		t.asked = append(t.asked, u)
		s.tryOut(r, order, u, k)
		var e entry
		if e, err = t.ask(u, sends); err == nil {
			return e, nil
		}
	}
	return nil, err
}

// forwardParallel asks several upstreams at once and takes the first good answer.
func (s *Server) forwardParallel(k *key, r *route, deadline time.Time) (entry, error) {
	type result struct {
		e   entry
		err error
	}
	results := make(chan result, parallelMax)
	var asked []*upstream
	for len(asked) < parallelMax {
		u := s.choose(r.upstreams, asked, deadline)
		if u == nil {
			break
		}
		asked = append(asked, u)
		mine := *k // the loser is still at it when the flight has landed
		mine.name = bytes.Clone(k.name)
		budget := 1
		if len(asked) == 1 {
			budget = askMax - parallelMax + 1 // one of them may need TCP
		}
		s.tasks.Go(func() {
			t := trial{server: s, route: r, key: &mine, deadline: deadline, budget: budget, share: 1}
			e, err := t.ask(u, 1)
			results <- result{e, err}
		})
	}
	err := errNobody
	for range asked {
		got := <-results
		if got.err == nil {
			return got.e, nil
		}
		err = got.err
	}
	return nil, err
}

// order is the upstreams in the order in which they are to be asked.
func (r *route) order(s *Server) []*upstream {
	if r.strategy != Fastest || len(r.upstreams) < 2 {
		return r.upstreams
	}
	order := slices.Clone(r.upstreams)
	slices.SortStableFunc(order, func(a, b *upstream) int { // one never asked comes first
		_, x := a.health.standing()
		_, y := b.health.standing()
		return cmp.Compare(x, y)
	})
	return order
}

// tryOut finds out, beside a question and with it, whether an upstream that
// would be preferred to the chosen one works by now. Nobody waits for that.
func (s *Server) tryOut(r *route, order []*upstream, chosen *upstream, k *key) {
	explore := r.strategy == Fastest && s.explore.Add(1)%exploreEvery == 0
	for _, u := range order {
		if u == chosen && r.strategy != Fastest {
			return
		}
		if u == chosen {
			continue
		}
		works, _ := u.health.standing()
		if works && !explore {
			continue
		}
		if may, _ := u.health.admit(s.config.Now()); !may {
			continue
		}
		mine := key{name: bytes.Clone(k.name), qtype: k.qtype, variant: k.variant, hash: k.hash}
		s.tasks.Go(func() {
			t := trial{server: s, route: r, key: &mine, deadline: time.Now().Add(askTime), budget: 1, share: 1}
			t.ask(u, 1)
		})
		return
	}
}

// choose finds the first upstream that may be asked: one that works, else one
// that is to be tried out. Where others are trying them all out, it waits.
func (s *Server) choose(order, asked []*upstream, deadline time.Time) *upstream {
	for {
		for _, u := range order {
			if works, _ := u.health.standing(); works && !slices.Contains(asked, u) {
				return u
			}
		}
		var wait <-chan struct{}
		for _, u := range order {
			if slices.Contains(asked, u) {
				continue
			}
			may, over := u.health.admit(s.config.Now())
			if may {
				return u
			}
			if wait == nil {
				wait = over
			}
		}
		if wait == nil {
			return nil
		}
		late := time.NewTimer(time.Until(deadline))
		select {
		case <-wait:
			late.Stop()
		case <-late.C:
			return nil
		}
	}
}

// trial is one question being put to upstreams.
type trial struct {
	server   *Server
	route    *route
	key      *key
	deadline time.Time
	asked    []*upstream
	room     [askMax]*upstream // of asked
	budget   int               // packets left
	share    int               // among how many the time is shared
}

// ask asks one upstream, and takes from its answer what belongs to the question.
func (t *trial) ask(u *upstream, sends int) (e entry, err error) {
	s := t.server
	buf := s.buffers.Get().(*buffers)
	defer s.buffers.Put(buf)
	var msg []byte
	for range sends {
		began := time.Now()
		msg, err = u.exchange(t.key, buf, began.Add(t.patience(u)), &t.budget)
		if err == nil {
			u.health.answered(time.Since(began))
			break
		}
		s.metrics.UpstreamSilent.Add(1)
		if t.budget <= 0 {
			break
		}
	}
	if err != nil {
		u.health.silent(s.config.Now())
		return nil, err
	}
	if code := rcode(binary.BigEndian.Uint16(msg[2:]) & 0xf); code != noError && code != nxDomain {
		s.metrics.UpstreamRefused.Add(1)
		return nil, errRefused
	}
	h := s.harvesters.Get().(*harvester)
	defer s.harvesters.Put(h)
	h.private = t.route.private
	if e, err = h.harvest(nil, t.key, msg, s.clock(s.config.Now())); err == nil && e == nil {
		err = errRecords
	}
	if err != nil {
		s.metrics.UpstreamMalformed.Add(1)
	}
	return e, err
}

// patience is how long an upstream is given: four times what it usually takes,
// or its share of the time there is.
func (t *trial) patience(u *upstream) time.Duration {
	left := time.Until(t.deadline)
	_, usual := u.health.standing()
	if usual == 0 {
		return min(askTime/time.Duration(t.share), left)
	}
	return min(max(4*usual, patienceMin), patienceMax, left)
}
