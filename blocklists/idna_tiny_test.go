//go:build tiny

package blocklists

import (
	"strings"
	"testing"
)

func TestInternationalNamesAreCounted(t *testing.T) {
	names, refused := parse(Domains, false, "bücher.example\nxn--bcher-kva.example\n")
	if len(names) != 1 || names[0] != "xn--bcher-kva.example" || len(refused) != 1 || !strings.HasPrefix(refused[0], "1 an international") {
		t.Errorf("names %q, refused %q", names, refused)
	}
}
