package blocklists_test

import (
	"context"
	"fmt"
	"os"
	"path/filepath"

	"github.com/treehouse-dns/treehouse/blocklists"
	"github.com/treehouse-dns/treehouse/blocklists/catalogue"
	"github.com/treehouse-dns/treehouse/filter"
)

// A list is imported, compiled, and asked.
func Example() {
	dir, _ := os.MkdirTemp("", "")
	defer os.RemoveAll(dir)
	list := filepath.Join(dir, "my-list.txt")
	os.WriteFile(list, []byte("0.0.0.0 casino.example\n0.0.0.0 com\n"), 0o600)

	ctx := context.Background()
	small, err := catalogue.New(catalogue.About{}, []catalogue.File{{Name: "topics.txt", Text: "@kind category\ngambling = Gambling\n"}}, nil)
	if err != nil {
		fmt.Println(err)
		return
	}
	lists, err := blocklists.Open(dir, blocklists.Options{Catalogue: small})
	if err != nil {
		fmt.Println(err)
		return
	}
	reports, err := lists.Import(ctx, blocklists.Source{Topic: "gambling"}, []string{list})
	if err != nil {
		fmt.Println(err)
		return
	}
	for _, s := range reports[0].Samples {
		fmt.Printf("line %d: %s is %s\n", s.Line, s.Text, s.Reason)
	}
	if _, err := lists.Build(ctx); err != nil {
		fmt.Println(err)
		return
	}
	trie, err := lists.Snapshot()
	if err != nil {
		fmt.Println(err)
		return
	}
	match := trie.Lookup(filter.MustName("www.casino.example"))
	fmt.Println(trie.Topic(trie.Set(match.Set)[0]).ID)

	origins, _ := lists.Find(filter.MustName("www.casino.example"))
	fmt.Println(origins[0].Source, origins[0].Name)

	// Output:
	// line 2: 0.0.0.0 com is a single label
	// gambling
	// my-list casino.example.
}
