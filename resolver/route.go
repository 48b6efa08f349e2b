package resolver

import "github.com/treehouse-dns/treehouse/filter"

// route is upstreams and how one of them is chosen.
type route struct {
	upstreams []*upstream
	strategy  Strategy
	private   bool
}

// routes finds who is asked about a name.
type routes struct {
	rest   route
	byName map[string]*route
}

// newRoutes makes the routes of a configuration. An upstream named in several
// is one upstream, with one health.
func newRoutes(c *Config, s *Server) *routes {
	known := map[Upstream]*upstream{}
	all := func(ups []Upstream) (out []*upstream) {
		for _, u := range ups {
			if known[u] == nil {
				known[u] = newUpstream(u, s)
			}
			out = append(out, known[u])
		}
		return out
	}
	r := &routes{byName: map[string]*route{}}
	r.rest = route{upstreams: all(c.Upstreams), strategy: c.Strategy, private: c.RebindingOff}
	for _, def := range c.Routes {
		to := &route{upstreams: all(def.Upstreams), strategy: def.Strategy, private: def.Private || c.RebindingOff}
		for _, d := range def.Domains {
			r.byName[string(d)] = to
		}
	}
	for _, d := range c.RebindingAllowed {
		to := *r.find(d)
		to.private = true
		r.byName[string(d)] = &to
	}
	return r
}

// find is the route for a name: the one of the longest domain that fits.
func (r *routes) find(name filter.Name) *route {
	if len(r.byName) > 0 {
		for n := name; len(n) > 1; n = n.Parent() {
			if to, ok := r.byName[string(n)]; ok {
				return to
			}
		}
	}
	return &r.rest
}

// special tells whether a name has a route of its own.
func (r *routes) special(name filter.Name) bool { return r.find(name) != &r.rest }
