package household

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"errors"
	"fmt"
	"strings"
	"testing"
)

// teleporter packs files as Pi-hole 5 does.
func teleporter(t testing.TB, files ...string) []byte {
	t.Helper()
	var out bytes.Buffer
	zip := gzip.NewWriter(&out)
	archive := tar.NewWriter(zip)
	for i := 0; i < len(files); i += 2 {
		if err := archive.WriteHeader(&tar.Header{Name: files[i], Mode: 0o600, Size: int64(len(files[i+1])), Typeflag: tar.TypeReg}); err != nil {
			t.Fatal(err)
		}
		if _, err := archive.Write([]byte(files[i+1])); err != nil {
			t.Fatal(err)
		}
	}
	archive.Close()
	zip.Close()
	return out.Bytes()
}

var piHoleFiles = []string{
	"client.json", `[{"id":1,"ip":"192.168.1.20","date_added":1,"comment":"Ana's tablet"},{"id":2,"ip":"4C:5E:0C:00:00:09","comment":null},
		{"id":3,"ip":"10.0.0.0/8","comment":"all"},{"id":4,"ip":":eth0","comment":""}]`,
	"client_by_group.json", `[{"client_id":1,"group_id":0},{"client_id":1,"group_id":1},{"client_id":2,"group_id":2}]`,
	"group.json", `[{"id":0,"enabled":1,"name":"Default"},{"id":1,"enabled":1,"name":"Kids"},{"id":2,"enabled":0,"name":"Old"}]`,
	"adlist.json", `[{"id":1,"address":"https://lists.example/ads.txt","enabled":1,"comment":"Ads"},{"id":2,"address":"https://lists.example/off.txt","enabled":0},
		{"id":3,"address":"file:///etc/own.txt","enabled":1}]`,
	"whitelist.exact.json", `[{"id":1,"domain":"good.example","enabled":1}]`,
	"blacklist.exact.json", `[{"id":2,"domain":"bad.example","enabled":1},{"id":3,"domain":"off.example","enabled":0},{"id":4,"domain":"kids-only.example","enabled":1}]`,
	"blacklist.regex.json", `[{"id":5,"domain":"(\\.|^)worse\\.example$","enabled":1},{"id":6,"domain":"^ad[sx]?[0-9]*\\.","enabled":1},{"id":7,"domain":"(\\.|^)any.example$","enabled":1}]`,
	"domainlist_by_group.json", `[{"domainlist_id":2,"group_id":0},{"domainlist_id":4,"group_id":1}]`,
	"custom.list", "192.168.1.5 nas.lan\n",
	"setupVars.conf", "WEBPASSWORD=not-ours\n",
}

func TestReadPiHole(t *testing.T) {
	f, err := ReadPiHole(bytes.NewReader(teleporter(t, piHoleFiles...)))
	must(t, err)
	if len(f.Clients) != 2 || f.Clients[0].Name != "Ana's tablet" || f.Clients[0].Addrs[0] != anaAddr || f.Clients[1].MACs[0] != (MAC{0x4c, 0x5e, 0x0c, 0, 0, 9}) {
		t.Errorf("clients %+v", f.Clients)
	}
	if len(f.Lists) != 1 || f.Lists[0].Name != "Ads" || f.Lists[0].Allow {
		t.Errorf("lists %+v", f.Lists)
	}
	if strings.Join(f.Allow, " ") != "good.example" || strings.Join(f.Block, " ") != "bad.example worse.example" {
		t.Errorf("allow %v, block %v", f.Allow, f.Block)
	}
	left := strings.Join(f.Left, "\n")
	for _, want := range []string{"10.0.0.0/8", ":eth0", `group "Kids"`, "kids-only.example", "ad[sx]", `any.example`, "own.txt", "nas.lan"} {
		if !strings.Contains(left, want) {
			t.Errorf("nothing is said of %s:\n%s", want, left)
		}
	}
	if len(f.Left) != 8 || strings.Contains(left, "not-ours") {
		t.Errorf("%d sentences:\n%s", len(f.Left), left)
	}
	h := New(DefaultBands(), nil)
	must(t, h.Take(f, "10-12", monday))
	if len(h.Devices) != 2 {
		t.Errorf("devices %+v", h.Devices)
	}
}

func TestReadPiHoleRefuses(t *testing.T) {
	if _, err := ReadPiHole(strings.NewReader("PK\x03\x04 and so on")); !errors.Is(err, ErrPiHole6) {
		t.Errorf("an archive of Pi-hole 6: %v", err)
	}
	many := "[" + strings.Repeat("{},", maxForeignRows) + "{}]"
	for what, bad := range map[string][]byte{
		"nothing":      nil,
		"a page":       []byte("<html>"),
		"cut short":    teleporter(t, piHoleFiles...)[:300],
		"empty":        teleporter(t),
		"other files":  teleporter(t, "etc/passwd", "root"),
		"no table":     teleporter(t, "client.json", `{"id":1}`),
		"a wrong type": teleporter(t, "client.json", `[{"id":"one"}]`),
		"a bomb":       teleporter(t, "big", strings.Repeat("0", maxForeignArchive), "client.json", "[]"),
		"too many":     teleporter(t, "client.json", many),
	} {
		if _, err := ReadPiHole(bytes.NewReader(bad)); err == nil {
			t.Errorf("%s was read", what)
		}
	}
}

func FuzzReadPiHole(f *testing.F) {
	for i := 0; i < len(piHoleFiles); i += 2 {
		f.Add(piHoleFiles[i], piHoleFiles[i+1])
	}
	f.Add("blacklist.regex.json", `[{"domain":"(\\.|^)$","enabled":1},{"domain":"(^|\\.)a\\.b$","enabled":1,"id":-1}]`)
	bands := DefaultBands()
	f.Fuzz(func(t *testing.T, name, text string) {
		if len(name) > 90 {
			return
		}
		files := []string{name, text}
		for i := 0; i < len(piHoleFiles); i += 2 { // beside the other tables, so that they join
			if piHoleFiles[i] != name {
				files = append(files, piHoleFiles[i], piHoleFiles[i+1])
			}
		}
		foreign, err := ReadPiHole(bytes.NewReader(teleporter(t, files...)))
		if err != nil {
			return
		}
		for _, site := range append(foreign.Allow, foreign.Block...) {
			if _, err := Site(site); err != nil {
				t.Errorf("the site %q", site)
			}
		}
		_ = New(bands, nil).Take(foreign, DefaultBand, monday) // refused or not, it does not panic
	})
}

// FuzzReadPiHoleArchive is about the archive itself.
func FuzzReadPiHoleArchive(f *testing.F) {
	f.Add(teleporter(f, piHoleFiles...))
	f.Add([]byte("PK\x03\x04"))
	f.Fuzz(func(t *testing.T, archive []byte) {
		foreign, err := ReadPiHole(bytes.NewReader(archive))
		if (foreign == nil) == (err == nil) {
			t.Error(fmt.Sprint(foreign, err))
		}
	})
}
