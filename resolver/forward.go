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
	tries := len(order)
	if tries == 1 {
		tries = 2 // a packet may get lost, and there is nobody else
	}
	t := trial{server: s, route: r, key: k, deadline: deadline, budget: askMax, share: max(1, min(tries, askMax))}
	t.asked = t.room[:0]
	err := errNobody
	for ; tries > 0 && t.budget > 0; tries-- {
		u, a := s.choose(order, t.asked, deadline)
		if u == nil {
			break
		}
		if len(t.asked) == 0 && s.tryOut(r, order, u) {
			t.budget--
		}
		if a == suspect {
			if !t.verify(u) {
				err = errSilent
				continue
			}
			a = ready
		}
		var e entry
		if e, err = t.ask(u, a); err == nil {
			return e, nil
		}
		if len(order) > 1 || t.heard {
			t.asked = append(t.asked, u)
		}
	}
	if t.budget <= 0 {
		s.metrics.LimitPackets.Add(1)
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
		u, a := s.choose(r.upstreams, asked, deadline)
		if u == nil {
			break
		}
		asked = append(asked, u)
		mine := *k // the loser is still at it when the flight has landed
		mine.name = bytes.Clone(k.name)
		budget := 1
		if len(asked) == 1 {
			budget = askMax - parallelMax + 1 // it may need TCP
		}
		s.tasks.Go(func() {
			t := trial{server: s, route: r, key: &mine, deadline: deadline, budget: budget, share: 1}
			if a == suspect {
				if !t.verify(u) {
					results <- result{nil, errSilent}
					return
				}
				a = ready
			}
			e, err := t.ask(u, a)
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

// tryOut finds out whether an upstream that would be preferred to the chosen
// one works by now, and tells whether it did. Nobody waits for that.
func (s *Server) tryOut(r *route, order []*upstream, chosen *upstream) bool {
	explore := r.strategy == Fastest && s.explore.Add(1)%exploreEvery == 0
	for _, u := range order {
		if u == chosen {
			if r.strategy != Fastest {
				return false
			}
			continue
		}
		if works, _ := u.health.standing(); works && !explore {
			continue
		}
		if a, _ := u.health.admit(s.config.Now()); a == busy || a == resting {
			continue
		}
		s.tasks.Go(func() {
			t := trial{server: s, route: r, deadline: time.Now().Add(askTime), budget: 1, share: 1}
			t.verify(u)
		})
		return true
	}
	return false
}

// choose finds the first upstream that may be asked: one that works, else one
// that is to be tried out. Where others are trying them all out, it waits.
func (s *Server) choose(order, asked []*upstream, deadline time.Time) (*upstream, admission) {
	for {
		for _, u := range order {
			if works, _ := u.health.standing(); works && !slices.Contains(asked, u) {
				return u, ready
			}
		}
		var wait <-chan struct{}
		for _, u := range order {
			if slices.Contains(asked, u) {
				continue
			}
			switch a, over := u.health.admit(s.config.Now()); {
			case a != busy && a != resting:
				return u, a
			case a == busy && wait == nil:
				wait = over
			}
		}
		if wait == nil {
			return nil, resting
		}
		late := time.NewTimer(time.Until(deadline))
		select {
		case <-wait:
			late.Stop()
		case <-late.C:
			return nil, busy
		}
	}
}

// trial is one question being put to upstreams.
type trial struct {
	server   *Server
	route    *route
	key      *key
	deadline time.Time
	asked    []*upstream       // not to be asked again
	room     [askMax]*upstream // of asked
	budget   int               // packets left
	share    int               // among how many the time is shared
	heard    bool              // the one asked last has answered
}

// verify asks an upstream what every resolver knows, the servers of the root,
// and tells whether it answered: whether it works does not hang on what a
// client chose to ask.
func (t *trial) verify(u *upstream) bool {
	root := t.server.cache.keyOf([]byte{0}, typeNS, 0)
	_, err := t.exchange(u, suspect, &root, new(buffers))
	return err == nil
}

// ask asks one upstream, and takes from its answer what belongs to the question.
func (t *trial) ask(u *upstream, a admission) (e entry, err error) {
	s := t.server
	buf := s.buffers.Get().(*buffers)
	defer s.buffers.Put(buf)
	msg, err := t.exchange(u, a, t.key, buf)
	if err != nil {
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
	switch {
	case errors.Is(err, errChain):
		s.metrics.LimitChain.Add(1)
	case errors.Is(err, errRecords):
		s.metrics.LimitRecords.Add(1)
	case err != nil:
		s.metrics.UpstreamMalformed.Add(1)
	}
	return e, err
}

// exchange puts a question to an upstream, and reports on it.
func (t *trial) exchange(u *upstream, a admission, k *key, buf *buffers) ([]byte, error) {
	began := time.Now()
	msg, err := u.exchange(k, buf, began.Add(t.patience(u)), &t.budget)
	if t.heard = err == nil; t.heard {
		u.health.answered(time.Since(began))
		return msg, nil
	}
	t.server.metrics.UpstreamSilent.Add(1)
	u.health.silent(a, t.server.config.Now())
	return nil, err
}

// patience is how long an upstream is given: four times what it usually takes,
// or, if that is not known or there is nobody else to ask, its share of the
// time there is.
func (t *trial) patience(u *upstream) time.Duration {
	left := time.Until(t.deadline)
	_, usual := u.health.standing()
	if usual == 0 || len(t.route.upstreams) == 1 {
		return min(askTime/time.Duration(t.share), left)
	}
	return min(max(4*usual, patienceMin), patienceMax, left)
}
