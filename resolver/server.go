package resolver

import (
	"context"
	"net/netip"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/treehouse-dns/treehouse/filter"
)

// Server answers queries. Make one with New, open its sockets with Listen once
// the filter holds a snapshot, and let Run answer until its context ends. All
// methods but Listen and Run may be called by any number of goroutines.
type Server struct {
	config     Config
	filter     *filter.Live
	clients    Clients
	specials   *specials
	routes     *routes
	soa        []byte
	loopback   []netip.Addr
	cache      *cache
	flights    flights
	failures   failures
	limiter    *limiter
	sockets    *sockets
	ids        numbers
	ports      numbers
	explore    atomic.Uint32
	buffers    sync.Pool // of *buffers, one for each flight
	parked     sync.Pool // of *parked, one for each query that waits
	harvesters sync.Pool // of *harvester, for the moment that an answer is taken in
	metrics    Metrics
	started    atomic.Pointer[time.Time]
	listeners  listeners

	ctx   context.Context // ends when the server does
	stop  context.CancelFunc
	tasks sync.WaitGroup // flights, and TCP connections
	work  chan *flight   // to goroutines that wait for one
	idle  atomic.Int32   // how many do
	long  chan struct{}  // a token for each question under way over TCP
}

// New makes a server. The error names every field that is wrong.
func New(config Config) (*Server, error) {
	config, err := config.checked()
	if err != nil {
		return nil, err
	}
	s := &Server{
		config:     config,
		filter:     config.Filter,
		clients:    config.Clients,
		specials:   newSpecials(&config),
		soa:        soaData(),
		loopback:   []netip.Addr{netip.AddrFrom4([4]byte{127, 0, 0, 1}), netip.IPv6Loopback()},
		cache:      newCache(config.CacheBytes),
		flights:    flights{aloft: map[uint64]*flight{}, clients: map[netip.Addr]burden{}},
		limiter:    newLimiter(int64(max(config.Rate, 0)), time.Second),
		buffers:    sync.Pool{New: func() any { return new(buffers) }},
		parked:     sync.Pool{New: func() any { return new(parked) }},
		harvesters: sync.Pool{New: func() any { return new(harvester) }},
		sockets:    newSockets(),
		work:       make(chan *flight),
		long:       make(chan struct{}, longMax),
		listeners:  listeners{conns: connections{most: tcpConnections, each: tcpPerClient}},
	}
	began := config.Now()
	s.started.Store(&began)
	s.ids.seed()
	s.ports.seed()
	s.routes = newRoutes(&config, s)
	s.ctx, s.stop = context.WithCancel(context.Background())
	s.prepareSecret()
	return s, nil
}

// Run answers queries on the sockets that Listen opened, and opens them first
// if it was not called. It returns when ctx ends and the replies under way are
// written, or with the error of a socket that broke.
func (s *Server) Run(ctx context.Context) error {
	if err := s.Listen(); err != nil {
		return err
	}
	g, ctx := errgroup.WithContext(ctx)
	s.listeners.serve(g, s)
	g.Go(func() error {
		<-ctx.Done()
		s.Close()
		return nil
	})
	err := g.Wait()
	s.tasks.Wait()
	s.sockets.close()
	return err
}

// Close ends the server: sockets are closed, and who waits for an upstream
// waits no longer. Run calls it; a server that only Handles needs it.
func (s *Server) Close() {
	s.stop()
	s.listeners.close()
}

// Handle answers one query that came some other way than over the server's
// sockets. nil means that there is no reply. It waits for upstreams as long as
// a client would have to, or until ctx ends.
func (s *Server) Handle(ctx context.Context, source netip.AddrPort, transport Transport, packet []byte) []byte {
	return s.await(ctx, &query{source: source, transport: transport, packet: append(make([]byte, 0, udpQueryMax), packet...)})
}

// await is Handle for a query that is ready to be parsed.
func (s *Server) await(ctx context.Context, q *query) []byte {
	q.arrived = s.config.Now()
	q.now = q.arrived
	reply, wait := s.receive(q)
	if !wait {
		return reply
	}
	done := make(promise, 1)
	s.wait(s.keep(q), done)
	select {
	case reply := <-done:
		return reply
	case <-ctx.Done():
		return nil
	}
}

// promise is a writer for one reply to somebody who waits.
type promise chan []byte

func (p promise) writeReply(reply []byte) { p <- reply }

// receive takes a query in: who may not ask gets no byte, what cannot be read
// is said so, and who asks too much is sent to TCP. With wait, the answer has to
// be waited for. The reply is in the query's own memory.
func (s *Server) receive(q *query) (reply []byte, wait bool) {
	s.metrics.Queries.Add(1)
	source := q.source.Addr()
	if !q.away && !s.admits(source) {
		s.metrics.LimitNetworks.Add(1)
		return nil, false
	}
	if code := q.parse(); code == silence {
		s.metrics.Unreadable.Add(1)
		return nil, false
	} else if code != noError {
		s.metrics.Unreadable.Add(1)
		return s.complain(q, code), false
	}
	if q.id != nil && !q.away && !source.IsLoopback() { // only dnsmasq beside us may say who asks
		q.id = nil
	}
	if q.transport == UDP && !s.limiter.allow(source, q.now) {
		s.metrics.LimitRate.Add(1)
		return s.truncated(q), false
	}
	return s.handle(q)
}

// handle is the story of one query; the package comment tells it too.
func (s *Server) handle(q *query) (reply []byte, wait bool) {
	client := s.clients.Identify(q.source.Addr(), q.id)
	snap := s.filter.Load()
	if snap == nil { // there is no moment in which a query goes out unfiltered
		return s.complain(q, servFail), false
	}
	v := snap.Decide(client, q.name, q.now)
	resp := s.answer(q, &v)
	if !resp.wait {
		resp = s.review(snap, client, q, &v, resp)
	}
	if resp.wait {
		return nil, true
	}
	s.observe(q, client, &v)
	return s.reply(q, &v, &resp), false
}

// observe counts a verdict and tells the journal. Lifeline names are in neither,
// and a sealed one is only counted in a total (the product's privacy rules).
func (s *Server) observe(q *query, client filter.Client, v *filter.Verdict) {
	switch {
	case v.Rule == filter.RuleLifeline:
		return
	case v.Rule == filter.RuleSealed:
		s.metrics.Sealed.Add(1)
		client = filter.Client{}
	}
	if v.Action == filter.Block {
		s.metrics.Blocked.Add(1)
	}
	if s.config.Observer != nil {
		s.config.Observer.Observe(client, *v)
	}
	if s.config.Journal != nil && v.Rule != filter.RuleSealed {
		s.config.Journal.Record(q.source.Addr(), q.id, q.name, *v, q.now)
	}
}

// admits tells whether a source is in the networks that are answered.
func (s *Server) admits(source netip.Addr) bool {
	for _, p := range s.config.Networks {
		if p.Contains(source) {
			return true
		}
	}
	return false
}

// clock is the cache's clock: seconds since the server began, whatever the wall
// clock is set to meanwhile. It does not begin at zero, because what is loaded
// from a file is older than the server.
func (s *Server) clock(now time.Time) uint32 {
	began := s.started.Load()
	ran := now.Sub(*began)
	if ran < -time.Minute { // set to before the server began: what is kept would not age until then
		anew := now
		if s.started.CompareAndSwap(began, &anew) {
			s.cache.clear()
		}
	}
	return ttlMax + staleMax + uint32(max(ran/time.Second, 0))
}
