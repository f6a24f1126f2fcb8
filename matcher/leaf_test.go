package matcher

import (
	"go/ast"
	"go/parser"
	"go/token"
	"os"
	"strconv"
	"strings"
	"testing"
)

// TestPure keeps the package free of the system: it may import only packages
// of values, and of package time only the names that are values.
func TestPure(t *testing.T) {
	allowed := map[string]bool{"encoding/binary": true, "errors": true, "math/bits": true, "strconv": true, "time": true}
	values := map[string]bool{"Duration": true, "Nanosecond": true, "Millisecond": true, "Second": true}
	files, err := os.ReadDir(".")
	if err != nil {
		t.Fatal(err)
	}
	seen, comment := 0, false
	for _, f := range files {
		if !strings.HasSuffix(f.Name(), ".go") || strings.HasSuffix(f.Name(), "_test.go") {
			continue
		}
		seen++
		tree, err := parser.ParseFile(token.NewFileSet(), f.Name(), nil, parser.ParseComments)
		if err != nil {
			t.Fatal(err)
		}
		comment = comment || strings.HasPrefix(tree.Doc.Text(), "Package matcher ")
		for _, imp := range tree.Imports {
			if path, _ := strconv.Unquote(imp.Path.Value); !allowed[path] {
				t.Errorf("%s imports %s: this package knows values only", f.Name(), path)
			}
		}
		ast.Inspect(tree, func(n ast.Node) bool {
			switch n := n.(type) {
			case *ast.SelectorExpr:
				if x, ok := n.X.(*ast.Ident); ok && x.Name == "time" && !values[n.Sel.Name] {
					t.Errorf("%s uses time.%s: time comes in as a value", f.Name(), n.Sel.Name)
				}
			case *ast.GoStmt:
				t.Errorf("%s starts a goroutine", f.Name())
			}
			return true
		})
	}
	if seen == 0 || !comment {
		t.Errorf("%d files, package comment %v", seen, comment)
	}
}
