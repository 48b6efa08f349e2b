package main

import (
	"bytes"
	"math/rand/v2"

	"github.com/treehouse-dns/treehouse/filter"
)

// queries are the questions of each kind, in no order.
func queries(names []filter.Name, many int) (map[string][]filter.Name, error) {
	sites, err := readList("queries/top-sites-65k.txt.gz")
	if err != nil {
		return nil, err
	}
	held := make(map[string]struct{}, len(names))
	for _, n := range names {
		held[string(n)] = struct{}{}
	}
	r := rand.New(rand.NewPCG(1, 1))
	q := map[string][]filter.Name{}
	add := func(kind string, n filter.Name) {
		if len(q[kind]) < many {
			q[kind] = append(q[kind], n)
		}
	}
	below := func(labels string, n filter.Name) filter.Name {
		return append(bytes.Clone([]byte(filter.MustName(labels)[:len(labels)+1])), n...)
	}
	for range 20 * many {
		n := names[r.IntN(len(names))]
		add("hit", n)
		if len(n) < 200 {
			add("deep_hit", below("a.b.c", n))
		}
		if p := n.Parent(); p.Labels() >= 2 && !walkMap(held, p) {
			add("near_miss", below("q7-not-listed", p))
		}
		if s := below("www", sites[r.IntN(len(sites))]); !walkMap(held, s) {
			add("top_site_miss", s)
		}
	}
	return q, nil
}

// walkMap asks a map for a name and then for its parents.
func walkMap(m map[string]struct{}, n filter.Name) bool {
	for ; len(n) > 1; n = n.Parent() {
		if _, there := m[string(n)]; there {
			return true
		}
	}
	return false
}
