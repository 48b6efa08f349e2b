package resolver

import "github.com/treehouse-dns/treehouse/filter"

// review judges the names that an answer leads to by the same rules as the name
// that was asked (CNAME and DNAME targets, and those of SVCB and HTTPS records):
// what is blocked may not be reached by another name, and a search engine's
// other name leads to its safe twin too. A listed name may lead to names that
// are not listed, or no site that is served by another would work. A name that
// the person is allowed by a rule of their own, or that is a lifeline, is
// allowed with all that it needs, but for what is sealed.
func (s *Server) review(snap *filter.Snapshot, client filter.Client, q *query, v *filter.Verdict, r response) response {
	if len(r.targets) == 0 || v.Action != filter.Pass {
		return r
	}
	free := v.Rule == filter.RuleAllow || v.Rule == filter.RuleLifeline
	for names := r.targets; len(names) > 0; {
		name, width, err := filter.ReadName(&q.target, names)
		if err != nil {
			return response{rcode: servFail}
		}
		names = names[width:]
		w := snap.Decide(client, name, q.now)
		if w.Action == filter.Pass || w.Rule == filter.RuleAllowList || free && w.Rule != filter.RuleSealed {
			continue
		}
		s.metrics.Reviewed.Add(1)
		*v = w
		if w.Action == filter.Rewrite {
			return s.rewritten(q, v)
		}
		return s.blocked(q, v)
	}
	return r
}
