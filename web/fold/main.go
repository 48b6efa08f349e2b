// Command fold makes what templ writes smaller; `go generate ./web` runs it
// after templ. For each piece of a page templ writes a call and two checks of
// its error, ten lines that are the same every time. Here they become one call
// of web/component.go: a failed write is kept by the buffer and reported at its
// end, so nothing is lost. On a router's binary it takes 0.4 MB of 12.
//
// A piece that it does not know is left as templ wrote it, and works.
package main

import (
	"fmt"
	"go/format"
	"os"
	"path/filepath"
	"regexp"
	"strings"
)

const check = `\s*if templ_7745c5c3_Err != nil \{\s*return templ_7745c5c3_Err\s*\}\n`

// A fold is a pattern of what templ writes and what it becomes, in this order.
var folds = []struct {
	templ  *regexp.Regexp
	folded string
}{
	// The beginning of a component that may have children, and of one that has none.
	{regexp.MustCompile(`templruntime\.GeneratedTemplate\(func\(templ_7745c5c3_Input templruntime\.GeneratedComponentInput\) \(templ_7745c5c3_Err error\) \{` +
		begin + `\s*(templ_7745c5c3_Var\d+) := templ\.GetChildren\(ctx\)\s*if \S+ == nil \{\s*\S+ = templ\.NopComponent\s*\}\s*ctx = templ\.ClearChildren\(ctx\)\n`),
		"component(func(ctx context.Context, html *templruntime.Buffer, $1 templ.Component) (err error) {\n"},
	{regexp.MustCompile(`templruntime\.GeneratedTemplate\(func\(templ_7745c5c3_Input templruntime\.GeneratedComponentInput\) \(templ_7745c5c3_Err error\) \{` + begin),
		"component(func(ctx context.Context, html *templruntime.Buffer, _ templ.Component) (err error) {\n"},
	// A piece of the page that is always the same.
	{regexp.MustCompile(`templ_7745c5c3_Err = templruntime\.WriteString\(templ_7745c5c3_Buffer, \d+, (".*")\)` + check), "writeText(html, $1)\n"},
	// A text, escaped; an address, checked and escaped.
	{regexp.MustCompile(`var templ_7745c5c3_Var\d+ string\s*` + value("JoinStringErrs")), "writeValue(html, $1)\n"},
	{regexp.MustCompile(`var templ_7745c5c3_Var\d+ templ\.SafeURL\s*` + value("JoinURLErrs")), "writeURL(html, $1)\n"},
	{regexp.MustCompile(`templ_7745c5c3_Err\b`), "err"},
	{regexp.MustCompile(`templ_7745c5c3_Buffer\b`), "html"},
	{regexp.MustCompile(`import "github.com/a-h/templ"\n`), "import \"context\"\n$0"},
}

const begin = `\s*templ_7745c5c3_W, ctx := .*\n(?:\s*if templ_7745c5c3_CtxErr := [^{]*\{\s*return templ_7745c5c3_CtxErr\s*\})?\s*` +
	`templ_7745c5c3_Buffer, templ_7745c5c3_IsBuffer := .*\s*if !templ_7745c5c3_IsBuffer \{\s*defer func\(\) \{[^{]*\{[^}]*\}\s*\}\(\)\s*\}\s*ctx = templ\.InitializeContext\(ctx\)\n`

func value(join string) string {
	return `templ_7745c5c3_Var\d+, templ_7745c5c3_Err = templ\.` + join + `\((.*)\)\s*if templ_7745c5c3_Err != nil \{\s*return templ\.Error\{.*\}\s*\}\s*` +
		`_, templ_7745c5c3_Err = templ_7745c5c3_Buffer\.WriteString\(templ\.EscapeString\(templ_7745c5c3_Var\d+\)\)` + check
}

func main() {
	files, err := filepath.Glob("*_templ.go")
	for i := 0; err == nil && i < len(files); i++ {
		err = foldFile(files[i])
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "fold:", err)
		os.Exit(1)
	}
}

func foldFile(name string) error {
	source, err := os.ReadFile(name)
	if err != nil || !strings.Contains(string(source), "templ_7745c5c3_Err") {
		return err // nothing, or folded already
	}
	for _, f := range folds {
		source = f.templ.ReplaceAll(source, []byte(f.folded))
	}
	if source, err = format.Source(source); err != nil {
		return fmt.Errorf("%s: %w", name, err)
	}
	return os.WriteFile(name, source, 0o644)
}
