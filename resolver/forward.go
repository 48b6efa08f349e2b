package resolver

import (
	"cmp"
	"context"
	"encoding/binary"
	"errors"
	"slices"
	"time"
)

// exploreEvery is how often the fastest strategy asks another upstream than the
// fastest, to find out whether it still is.
const exploreEvery = 64

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
func (s *Server) forward(ctx context.Context, k *key) (entry, error) {
	r := s.routes.find(k.name)
	ctx, cancel := context.WithTimeout(ctx, askTime)
	defer cancel()
	if r.strategy == Parallel && len(r.upstreams) > 1 {
		return s.forwardParallel(ctx, k, r)
	}
	order := r.order(s)
	sends := 1
	if len(order) == 1 {
		sends = 2 // a packet may get lost, and there is nobody else
	}
	t := trial{server: s, route: r, key: k, budget: askMax, share: max(sends, min(len(order), askMax))}
	err := errNobody
	for len(t.asked) < len(order) && t.budget > 0 {
		u := s.choose(ctx, order, t.asked)
		if u == nil {
			break
		}
		t.asked = append(t.asked, u)
		var e entry
		if e, err = t.ask(ctx, u, sends); err == nil {
			return e, nil
		}
	}
	return nil, err
}

// forwardParallel asks several upstreams at once and takes the first good answer.
func (s *Server) forwardParallel(ctx context.Context, k *key, r *route) (entry, error) {
	type result struct {
		e   entry
		err error
	}
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	results := make(chan result, askMax)
	var asked []*upstream
	for len(asked) < min(askMax, len(r.upstreams)) {
		u := s.choose(ctx, r.upstreams, asked)
		if u == nil {
			break
		}
		asked = append(asked, u)
		s.tasks.Go(func() {
			t := trial{server: s, route: r, key: k, budget: 1, share: 1}
			e, err := t.ask(ctx, u, 1)
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
	if s.explore.Add(1)%exploreEvery == 0 {
		order[0], order[1] = order[1], order[0]
	}
	return order
}

// choose finds the first upstream that may be asked: one that works, else one
// that is to be tried out. Where others are trying them all out, it waits.
func (s *Server) choose(ctx context.Context, order, asked []*upstream) *upstream {
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
		select {
		case <-wait:
		case <-ctx.Done():
			return nil
		}
	}
}

// trial is one question being put to upstreams.
type trial struct {
	server *Server
	route  *route
	key    *key
	asked  []*upstream
	budget int // packets left
	share  int // among how many the time is shared
}

// ask asks one upstream, and takes from its answer what belongs to the question.
func (t *trial) ask(ctx context.Context, u *upstream, sends int) (e entry, err error) {
	s := t.server
	buf := s.buffers.Get().(*buffers)
	defer s.buffers.Put(buf)
	var msg []byte
	for range sends {
		began := time.Now()
		msg, err = u.exchange(ctx, t.key, buf, t.patience(ctx, u), &t.budget)
		if err == nil {
			u.health.answered(time.Since(began))
			break
		}
		if context.Cause(ctx) == context.Canceled {
			u.health.abandoned()
			return nil, err
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
	h := &buf.harvester
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
func (t *trial) patience(ctx context.Context, u *upstream) time.Duration {
	deadline, _ := ctx.Deadline()
	left := time.Until(deadline)
	_, usual := u.health.standing()
	if usual == 0 {
		return min(askTime/time.Duration(t.share), left)
	}
	return min(max(4*usual, patienceMin), patienceMax, left)
}
