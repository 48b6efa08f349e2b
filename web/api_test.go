package web_test

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/treehouse-dns/treehouse/household"
)

// description is openapi.json as the server serves it.
type description struct {
	t    *testing.T
	root map[string]any
	used map[string]bool // operations that a test has called
}

func describe(t *testing.T, s *stage) *description {
	t.Helper()
	w := s.browser(strangers).get("/api/v1/openapi.json")
	d := &description{t: t, used: map[string]bool{}}
	if err := json.Unmarshal(w.Body.Bytes(), &d.root); err != nil || w.Code != http.StatusOK {
		t.Fatalf("%d %v", w.Code, err)
	}
	return d
}

// at follows keys into the description, and references.
func (d *description) at(from any, keys ...string) any {
	for _, k := range keys {
		m, _ := d.resolve(from).(map[string]any)
		from = m[k]
	}
	return d.resolve(from)
}

func (d *description) resolve(v any) any {
	m, _ := v.(map[string]any)
	if ref, ok := m["$ref"].(string); ok {
		return d.at(d.root, strings.Split(strings.TrimPrefix(ref, "#/"), "/")...)
	}
	return v
}

// check holds a value against a schema: the part of JSON Schema that we use.
func (d *description) check(where string, schema, value any) (wrong []string) {
	s, _ := d.resolve(schema).(map[string]any)
	say := func(format string, args ...any) { wrong = append(wrong, where+": "+fmt.Sprintf(format, args...)) }
	switch s["type"] {
	case "object":
		m, ok := value.(map[string]any)
		if !ok {
			say("is no object")
			return wrong
		}
		properties, _ := s["properties"].(map[string]any)
		required, _ := s["required"].([]any)
		for _, r := range required {
			if _, ok := m[r.(string)]; !ok {
				say("lacks %s", r)
			}
		}
		for k, v := range m {
			if p, ok := properties[k]; ok {
				wrong = append(wrong, d.check(where+"."+k, p, v)...)
			} else if s["additionalProperties"] == false {
				say("has %s, which is not described", k)
			}
		}
	case "array":
		a, ok := value.([]any)
		if !ok {
			say("is no array")
		}
		for i, v := range a {
			wrong = append(wrong, d.check(fmt.Sprint(where, "[", i, "]"), s["items"], v)...)
		}
	case "string":
		text, ok := value.(string)
		if _, err := time.Parse(time.RFC3339, text); !ok || s["format"] == "date-time" && err != nil {
			say("%v is no %v %v", value, s["type"], s["format"])
		}
		if enum, ok := s["enum"].([]any); ok && !slices.Contains(enum, value) {
			say("%v is none of %v", value, enum)
		}
	case "integer":
		n, ok := value.(float64)
		low, hasLow := s["minimum"].(float64)
		high, hasHigh := s["maximum"].(float64)
		if !ok || n != float64(int64(n)) || hasLow && n < low || hasHigh && n > high {
			say("%v is no fitting integer", value)
		}
	case "boolean":
		if _, ok := value.(bool); !ok {
			say("%v is no boolean", value)
		}
	default:
		say("has a schema of the unknown type %v", s["type"])
	}
	return wrong
}

// call makes a call and holds request and response against the description.
func (d *description) call(b *browser, token, method, path, body string, want int) map[string]any {
	d.t.Helper()
	pattern := regexp.MustCompile(`/\d+`).ReplaceAllString(strings.Split(path, "?")[0], "/{id}")
	operation := d.at(d.root, "paths", pattern, strings.ToLower(method))
	if operation == nil {
		d.t.Fatalf("%s %s is not described", method, pattern)
	}
	d.used[method+" "+pattern] = true
	var sent any
	if body != "" && want == http.StatusOK {
		if err := json.Unmarshal([]byte(body), &sent); err != nil {
			d.t.Fatal(err)
		}
		for _, wrong := range d.check("request", d.at(operation, "requestBody", "content", "application/json", "schema"), sent) {
			d.t.Errorf("%s %s: %s", method, path, wrong)
		}
	}
	r := httptest.NewRequest(method, path, strings.NewReader(body))
	if token != "" {
		r.Header.Set("Authorization", "Bearer "+token)
	}
	w := b.do(r)
	if w.Code != want {
		d.t.Fatalf("%s %s: %d %s, want %d", method, path, w.Code, w.Body, want)
	}
	status, kind := "default", "application/problem+json"
	if want == http.StatusOK {
		status, kind = "200", "application/json"
	}
	if got := w.Header().Get("Content-Type"); got != kind {
		d.t.Errorf("%s %s is %s", method, path, got)
	}
	var got map[string]any
	if err := json.Unmarshal(w.Body.Bytes(), &got); err != nil {
		d.t.Fatalf("%s %s: %v", method, path, err)
	}
	for _, wrong := range d.check("response", d.at(operation, "responses", status, "content", kind, "schema"), got) {
		d.t.Errorf("%s %s: %s", method, path, wrong)
	}
	return got
}

// token makes a token in Settings, as a parent does.
func (b *browser) token(scope string) string {
	b.t.Helper()
	b.get("/settings")
	w := b.post("/settings/token", "name", "test "+scope, "scope", scope)
	found := regexp.MustCompile(`treehouse_[\w-]+`).FindString(w.Body.String())
	if w.Code != http.StatusOK || found == "" {
		b.t.Fatalf("no token: %d", w.Code)
	}
	return found
}

// TestAPI makes every call that is described, and holds what goes in and out
// against the description.
func TestAPI(t *testing.T) {
	s := newStage(t, nil)
	parent, program := s.parent(), s.browser("192.168.1.9")
	d := describe(t, s)
	look, pause, admin := parent.token("read"), parent.token("pause"), parent.token("admin")
	if err := s.home.Change(func(h *household.Household) error {
		_, err := h.Ask(household.Request{Person: 1, Site: "tiktok.com", Words: "please"}, s.now())
		return err
	}); err != nil {
		t.Fatal(err)
	}

	people := d.call(program, look, "GET", "/api/v1/people", "", 200)["people"].([]any)
	if ana := people[0].(map[string]any); len(people) != 3 || ana["name"] != "Ana" || ana["state"] != "open" || ana["next"].(map[string]any)["what"] != "bedtime" {
		t.Errorf("the people are %v", people)
	}
	for range 2 { // twice is the same as once
		if p := d.call(program, pause, "PUT", "/api/v1/people/1/pause", "", 200); p["state"] != "paused" || p["until"] != nil {
			t.Errorf("after the pause: %v", p)
		}
	}
	if p := d.call(program, pause, "PUT", "/api/v1/people/1/pause", `{"until":"2026-11-23T18:00:00Z"}`, 200); p["until"] != "2026-11-23T18:00:00Z" {
		t.Errorf("with an end: %v", p)
	}
	for range 2 {
		if p := d.call(program, pause, "DELETE", "/api/v1/people/1/pause", "", 200); p["state"] != "open" {
			t.Errorf("after the end: %v", p)
		}
	}
	if p := d.call(program, pause, "POST", "/api/v1/people/1/more-time", `{"minutes":30}`, 200); p["next"].(map[string]any)["at"] != "2026-11-23T20:30:00Z" {
		t.Errorf("with more time: %v", p)
	}
	d.call(program, look, "GET", "/api/v1/people/2", "", 200)
	d.call(program, look, "GET", "/api/v1/requests", "", 200)
	d.call(program, admin, "POST", "/api/v1/requests/1/answer", `{"allow":true,"words":"Have fun"}`, 200)
	if v := d.call(program, look, "GET", "/api/v1/explain?name=tiktok.com&person=1", "", 200); v["rule"] != "allow" {
		t.Errorf("after the answer: %v", v)
	}
	if v := d.call(program, look, "GET", "/api/v1/explain?name=wikipedia.org&person=1&at=2026-11-28T21:30:00Z", "", 200); v["rule"] != "bedtime" || v["until"] != "2026-11-29T06:30:00Z" {
		t.Errorf("on Saturday: %v", v)
	}
	d.call(program, look, "GET", "/api/v1/devices", "", 200)
	if v := d.call(program, admin, "PUT", "/api/v1/devices/1/log", `{"until":"2026-11-23T18:00:00Z"}`, 200); v["until"] != "2026-11-23T18:00:00Z" || v["by"] != "test admin" {
		t.Errorf("the log is %v", v)
	}
	s.home.Ask(1, "wikipedia.org", s.now())
	says(t, text(s.browser(anas).get("/me").Body.String()), "test admin wants to know")
	if v := d.call(program, admin, "GET", "/api/v1/devices/1/log", "", 200)["entries"].([]any); len(v) != 1 || v[0].(map[string]any)["name"] != "wikipedia.org" {
		t.Errorf("the log has %v", v)
	}
	if v := d.call(program, admin, "DELETE", "/api/v1/devices/1/log", "", 200); v["until"] != nil || len(v["entries"].([]any)) != 0 {
		t.Errorf("after its end: %v", v)
	}
	if v := d.call(program, admin, "PATCH", "/api/v1/devices/1", `{"name":"Old tablet","person":2,"keeps":true}`, 200); v["name"] != "Old tablet" || v["person"] != 2.0 || v["keeps"] != true {
		t.Errorf("the device is %v", v)
	}
	d.call(program, "", "GET", "/api/v1/openapi.json", "", 200)

	// What goes wrong is a problem, with a sentence.
	for _, c := range []struct {
		token, method, path, body string
		want                      int
	}{
		{"", "GET", "/api/v1/people", "", 401},
		{"treehouse_AAAAAAAAAAAAAAAAAAAAAA", "GET", "/api/v1/people", "", 401},
		{"", "GET", "/api/v1/events", "", 401},
		{look, "PUT", "/api/v1/people/1/pause", "", 403},
		{pause, "PATCH", "/api/v1/devices/1", `{"person":1}`, 403},
		{pause, "GET", "/api/v1/devices/1/log", "", 403},
		{admin, "GET", "/api/v1/devices/99/log", "", 404},
		{admin, "PUT", "/api/v1/devices/3/log", `{"until":"2026-11-23T18:00:00Z"}`, 422},
		{admin, "PUT", "/api/v1/devices/1/log", `{"until":"2026-11-25T18:00:00Z"}`, 422},
		{admin, "PUT", "/api/v1/devices/1/log", `{}`, 422},
		{look, "GET", "/api/v1/people/99", "", 404},
		{pause, "PUT", "/api/v1/people/99/pause", "", 404},
		{pause, "PUT", "/api/v1/people/1/pause", `{"for":"ever"}`, 400},
		{pause, "PUT", "/api/v1/people/1/pause", `{"until":"2020-01-01T00:00:00Z"}`, 422},
		{pause, "POST", "/api/v1/people/1/more-time", `{"minutes":-5}`, 422},
		{admin, "POST", "/api/v1/requests/1/answer", `{"allow":false}`, 422},
		{admin, "PATCH", "/api/v1/devices/99", `{"person":1}`, 404},
		{admin, "PATCH", "/api/v1/devices/1", `{"person":99}`, 422},
		{look, "GET", "/api/v1/explain?name=com", "", 422},
		{look, "GET", "/api/v1/explain?name=x.example&at=tonight", "", 422},
		{look, "GET", "/api/v1/explain?name=x.example&person=99", "", 422},
	} {
		if p := d.call(program, c.token, c.method, c.path, c.body, c.want); p["detail"] == "" {
			t.Errorf("%s %s gives no reason", c.method, c.path)
		}
	}
	for path, methods := range d.root["paths"].(map[string]any) {
		for method := range methods.(map[string]any) {
			if !d.used[strings.ToUpper(method)+" "+path] {
				t.Errorf("no test calls %s %s", method, path)
			}
		}
	}

	// A cookie is no token, so no other page can make a browser call; and a
	// token that is taken back is worth nothing.
	r := httptest.NewRequest(http.MethodPut, "/api/v1/people/1/pause", nil)
	if w := parent.do(r); w.Code != http.StatusUnauthorized {
		t.Errorf("a parent's cookie was taken: %d", w.Code)
	}
	if kept, _ := s.vault.Load(); strings.Contains(string(kept), look) {
		t.Error("the vault holds a token in clear")
	}
	parent.get("/settings")
	for _, m := range regexp.MustCompile(`name="token" value="([^"]+)"`).FindAllStringSubmatch(parent.page, -1) {
		parent.post("/settings/untoken", "token", m[1])
	}
	d.call(program, look, "GET", "/api/v1/people", "", 401)
}

// TestTheDescriptionIsChecked: the check above notices what it should.
func TestTheDescriptionIsChecked(t *testing.T) {
	needParents(t)
	d := describe(t, newStage(t, nil))
	schema := d.at(d.root, "components", "schemas", "Person")
	for _, bad := range []string{`{}`, `{"id":0,"name":"a","band":"6-9","state":"open"}`, `{"id":1,"name":"a","band":"7","state":"open"}`,
		`{"id":1,"name":"a","band":"6-9","state":"open","until":"now"}`, `{"id":1,"name":"a","band":"6-9","state":"open","x":1}`, `[]`} {
		var v any
		if err := json.Unmarshal([]byte(bad), &v); err != nil {
			t.Fatal(err)
		}
		if len(d.check("", schema, v)) == 0 {
			t.Errorf("%s passes for a person", bad)
		}
	}
}
