package openwrt

import (
	"context"
	"encoding/json"
	"html"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"
)

// luciState is what the router tells the page.
type luciState struct {
	Translations map[string]string            `json:"translations"`
	Ubus         map[string]map[string]any    `json:"ubus"`
	UCI          map[string]map[string]string `json:"uci"`
}

func stateOf(status, settings map[string]string) luciState {
	s := map[string]any{}
	for k, v := range status {
		s[k] = json.RawMessage(v)
	}
	return luciState{
		Translations: map[string]string{},
		Ubus:         map[string]map[string]any{"luci.treehouse": {"status": s}},
		UCI:          map[string]map[string]string{"main": settings},
	}
}

// drawn is the view as a browser draws it with LuCI's client stood in for
// (luci/luci.js), as HTML. With TREEHOUSE_PICTURES set to a folder, a picture of it
// is left there.
func drawn(t *testing.T, name string, state luciState) string {
	t.Helper()
	if testing.Short() {
		t.Skip("it starts a browser")
	}
	chromium, err := exec.LookPath("chromium")
	if err != nil {
		t.Skip("chromium is not installed")
	}
	mux := http.NewServeMux()
	mux.Handle("/", http.FileServer(http.Dir("luci")))
	mux.HandleFunc("/overview.js", func(w http.ResponseWriter, r *http.Request) {
		http.ServeFile(w, r, app+"htdocs/luci-static/resources/view/treehouse/overview.js")
	})
	mux.HandleFunc("/state.json", func(w http.ResponseWriter, _ *http.Request) { json.NewEncoder(w).Encode(state) })
	server := httptest.NewServer(mux)
	defer server.Close()

	const patience = time.Minute // a browser on a busy machine
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	run := func(args ...string) string {
		args = append([]string{
			"--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking", "--disable-component-update",
			"--disable-sync", "--user-data-dir=" + t.TempDir(), "--virtual-time-budget=5000",
		}, append(args, server.URL)...)
		out, err := exec.CommandContext(ctx, chromium, args...).Output()
		if err != nil {
			t.Fatalf("chromium: %v", err)
		}
		return string(out)
	}
	if dir := os.Getenv("TREEHOUSE_PICTURES"); dir != "" {
		run("--window-size=900,1000", "--screenshot="+filepath.Join(dir, "luci-"+name+".png"))
	}
	dom := run("--dump-dom")
	if !strings.Contains(dom, `data-state="shown"`) {
		t.Fatalf("the view is not drawn: %s", dom)
	}
	return html.UnescapeString(dom)
}

func contains(t *testing.T, page string, texts ...string) {
	t.Helper()
	for _, text := range texts {
		if !strings.Contains(page, text) {
			t.Errorf("%q is not on the page", text)
		}
	}
}

func TestLuCIView(t *testing.T) {
	works := map[string]string{
		"enabled": "true", "running": "true", "filtering": "true", "firewall": "true", "pages": "8080",
		"mode": `"behind"`, "when_down": `"closed"`, "version": `"0.1.0"`,
	}
	with := func(key, value string) map[string]string {
		out := map[string]string{key: value}
		for k, v := range works {
			if k != key {
				out[k] = v
			}
		}
		return out
	}
	t.Run("it works", func(t *testing.T) {
		page := drawn(t, "works", stateOf(works, map[string]string{"when_down": "open"}))
		contains(t, page,
			"Treehouse is running and answers the home.", "Devices that ask elsewhere are led back here.", "Version: 0.1.0",
			`href="http://treehouse.home.arpa:8080/"`, `data-name="enabled"`, `data-name="mode"`, `data-name="when_down"`,
			`data-name="firewall"`, `data-name="pages"`, `data-name="upstream"`, `data-name="log_level"`,
			`<option value="open" selected="">`, `<option value="behind" selected="">`, `<div class="item">auto</div>`, `value="8080" data-type="range(0, 65535)"`,
		)
	})
	t.Run("in front there is nobody to be asked instead", func(t *testing.T) {
		if page := drawn(t, "front", stateOf(works, map[string]string{"mode": "front"})); strings.Contains(page, `data-name="when_down"`) {
			t.Error("it asks what to do while it is down")
		}
	})
	t.Run("it is down, and has no pages", func(t *testing.T) {
		status := with("running", "false")
		status["pages"] = "0"
		page := drawn(t, "down", stateOf(status, nil))
		contains(t, page, "Treehouse is not running, so no names resolve.", "The family pages are switched off.")
		if strings.Contains(page, "href=") {
			t.Error("there is a link to pages that are not")
		}
	})
	t.Run("in German", func(t *testing.T) {
		state := stateOf(with("filtering", "false"), nil)
		text, err := os.ReadFile(app + "po/de/treehouse.po")
		if err != nil {
			t.Fatal(err)
		}
		for _, m := range regexp.MustCompile(`msgid "(.+)"\nmsgstr "(.*)"`).FindAllStringSubmatch(string(text), -1) {
			state.Translations[m[1]] = m[2]
		}
		page := drawn(t, "german", state)
		contains(t, page, "Treehouse läuft, aber dnsmasq fragt es nicht.", "Familienseite öffnen", "Port der Familienseiten")
		visible := regexp.MustCompile(`<script.*?</script>|<style.*?</style>|<[^>]*>`).ReplaceAllString(strings.ReplaceAll(page, "\n", " "), "|")
		for english := range state.Translations {
			if state.Translations[english] != english && strings.Contains(visible, "|"+english+"|") {
				t.Errorf("%q is in English", english)
			}
		}
	})
}
