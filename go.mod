module github.com/treehouse-dns/treehouse

go 1.26
