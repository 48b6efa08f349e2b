module github.com/treehouse-dns/treehouse/bench

go 1.26.0

require (
	github.com/AdguardTeam/urlfilter v0.5.0
	github.com/blevesearch/vellum v1.2.1
	github.com/hashicorp/go-immutable-radix/v2 v2.1.0
	github.com/treehouse-dns/treehouse v0.0.0
	golang.org/x/sys v0.49.0
)

require (
	github.com/AdguardTeam/golibs v0.1.3 // indirect
	github.com/asaskevich/govalidator v0.0.0-20180720115003-f9ffefc3facf // indirect
	github.com/bits-and-blooms/bitset v1.24.2 // indirect
	github.com/blevesearch/mmap-go v1.2.0 // indirect
	github.com/hashicorp/golang-lru/v2 v2.0.0 // indirect
	github.com/joomcode/errorx v0.8.0 // indirect
	github.com/miekg/dns v1.1.73 // indirect
	golang.org/x/net v0.62.0 // indirect
	golang.org/x/sync v0.24.0 // indirect
)

replace github.com/treehouse-dns/treehouse => ../
