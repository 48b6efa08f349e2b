package filter

import (
	"fmt"
	"testing"
)

// walkMap is what a program without a trie does: a map, and a walk along the
// parents, longest first.
func walkMap(m map[string]struct{}, n Name) bool {
	for ; len(n) > 1; n = n.Parent() {
		if _, there := m[string(n)]; there {
			return true
		}
	}
	return false
}

// BenchmarkLookup asks 200,000 invented names what it asks a map beside it.
func BenchmarkLookup(b *testing.B) {
	entries := append(scatter(200_000, 7), Entry{MustName("listed.com"), adult, Suffix})
	trie, _ := build(b, testTopics, entries, BuildOptions{})
	held := make(map[string]struct{}, len(entries))
	for _, e := range entries {
		held[string(e.Name)] = struct{}{}
	}
	asked := map[string][]Name{}
	for i := range 4096 {
		name := entries[i*37%len(entries)].Name
		asked["hit"] = append(asked["hit"], name)
		asked["below"] = append(asked["below"], MustName("a.b.c."+name.String()))
		asked["near"] = append(asked["near"], MustName(fmt.Sprintf("www.x%d.%s", i, name[len(name)-4:].String())))
		asked["miss"] = append(asked["miss"], MustName(fmt.Sprintf("www.site%d.com", i)))
	}
	for _, kind := range []string{"hit", "below", "near", "miss"} {
		names := asked[kind]
		b.Run("trie/"+kind, func(b *testing.B) {
			b.ReportAllocs()
			for i := range b.N {
				trie.Lookup(names[i%len(names)])
			}
		})
		b.Run("map/"+kind, func(b *testing.B) {
			b.ReportAllocs()
			for i := range b.N {
				walkMap(held, names[i%len(names)])
			}
		})
	}
}

// BenchmarkOpen opens a snapshot of 200,000 names, every byte checked.
func BenchmarkOpen(b *testing.B) {
	trie, _ := build(b, testTopics, scatter(200_000, 7), BuildOptions{})
	b.SetBytes(int64(trie.Size()))
	for b.Loop() {
		if _, err := OpenTrie(trie.file); err != nil {
			b.Fatal(err)
		}
	}
}

// BenchmarkBuild builds 200,000 names with the memory of a router.
func BenchmarkBuild(b *testing.B) {
	entries := scatter(200_000, 7)
	for b.Loop() {
		build(b, testTopics, entries, BuildOptions{})
	}
}
