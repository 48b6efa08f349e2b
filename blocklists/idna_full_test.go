//go:build !tiny

package blocklists

import (
	"strings"
	"testing"
)

func TestInternationalNames(t *testing.T) {
	names, refused := parse(Domains, false, "bücher.example\nBÜCHER.example\nпример.рф\nfaß.example\nx\u202ey.example\n\xff\xfe.example\nxn--bcher-kva.example\n")
	if got, want := strings.Join(names, " "), "xn--bcher-kva.example xn--bcher-kva.example xn--e1afmkfd.xn--p1ai xn--fa-hia.example xn--bcher-kva.example"; got != want {
		t.Errorf("names\n got %s\nwant %s", got, want)
	}
	if len(refused) != 2 || !strings.HasPrefix(refused[0], "5 an international") || !strings.HasPrefix(refused[1], "6 an international") {
		t.Errorf("refused %q", refused)
	}
}
