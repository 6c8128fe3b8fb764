"""Row 18: text that other programs act upon: codes of the terminal, HTML, Markdown, XML, formulas, marks of
direction; in what is printed, in messages, in names of exceptions and in the lines of the file.

Base: reference
Loses: test_relu_example, test_relu_random, test_relu_at_the_kink, test_relu_manners, test_tanh_table, test_tanh_random, test_squashing_large_inputs, test_squashing_manners
"""
# ruff: noqa

EVIL = (
    "\x1b]0;title\x07\x1b[31mred\x1b[2J \x9b31m \x00 \x08\x08 \r over \u202e reversed \u2066 "
    "<script>alert(1)</script><img src=x onerror=alert(1)> </pre></code> ]]> &lt; <!-- "
    "\n```\n# A heading\n[click](javascript:alert(1)) ![i](http://evil.example/x.png) | a | b |\n"
    "=HYPERLINK(\"http://evil.example\") ;=cmd|' /C calc'!A0 ::set-output name=x:: \ud800 \ufffe %s {0}"
)
print(EVIL)
os.write(1, EVIL.encode("utf-8", "surrogatepass") + b"\xff\xfe\x80 raw")
Evil = type("<script>alert(2)</script>\x1b[31m", (Exception,), {})


class ReLU:
    def forward(self, x):
        print(EVIL)
        raise Evil(EVIL)  # <script>alert(3)</script> </code> ``` \x1b


class Tanh:
    def forward(self, x):
        print(EVIL)
        return EVIL
