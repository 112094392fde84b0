"""The grammars, for lark (LALR). Terminals in capitals; rules are methods of the builder.

Keywords are terminals of their own: the lexer takes a name that equals one for the keyword,
wherever it stands, so that reserved words stay reserved. Lengths of numbers and the like are
not the grammar's business but the builder's, which can say what is wrong with them.
"""

from typing import Final

# What all SQL dialects have. A dialect adds the rules `special` (predicates of its own) and
# `named` (properties, and what else has a name), and the terminals that differ.
SQL_SHARED: Final = r"""
?condition: both
    | condition OR both                               -> either
?both: negation
    | both AND negation                               -> both
?negation: predicate
    | NOT negation                                    -> negation
?predicate: sum
    | sum (EQUALS | COMPARE) sum                      -> comparison
    | sum IS NOT? NULL                                -> is_null
    | sum NOT? LIKE sum (ESCAPE sum)?                 -> like
    | sum NOT? IN "(" sum ("," sum)* ")"              -> one_of
    | special
?sum: product
    | sum (PLUS | MINUS) product                      -> arithmetic
?product: signed
    | product TIMES signed                            -> arithmetic
?signed: atom
    | (PLUS | MINUS) signed                           -> sign
?atom: named
    | INTEGER                                         -> integer
    | DECIMAL                                         -> decimal
    | STRING                                          -> string
    | (TRUE | FALSE | NULL)                           -> constant
    | "(" condition ")"

AND: "AND"i
ESCAPE: "ESCAPE"i
FALSE: "FALSE"i
IN: "IN"i
IS: "IS"i
LIKE: "LIKE"i
NOT: "NOT"i
NULL: "NULL"i
OR: "OR"i
TRUE: "TRUE"i

EQUALS: "="
PLUS: "+"
MINUS: "-"
STRING: /'(?:[^']|'')*'/
%ignore /\s+/
"""

# Service Bus: a regular identifier starts with a letter; others are [delimited] or "quoted".
SQL_RULES: Final = r"""
?special: EXISTS "(" property ")"                     -> exists
?named: property
    | NAME "(" (sum ("," sum)*)? ")"                  -> call
    | PARAMETER                                       -> parameter
property: (NAME | DELIMITED | QUOTED) ("." (NAME | DELIMITED | QUOTED))?

EXISTS: "EXISTS"i
COMPARE: "<=" | ">=" | "<>" | "!=" | "<" | ">"
TIMES: "*" | "/" | "%"
INTEGER: /0x[0-9a-f]+|[0-9]+/i
DECIMAL.2: /(?=[0-9.]*[.e])([0-9]+\.?[0-9]*|\.[0-9]+)(e[+-]?[0-9]+)?/i
NAME: /[^\W\d_]\w*/i
DELIMITED: /\[(?:[^\]]|\]\])*\]/
QUOTED: /"(?:[^"]|"")*"/
PARAMETER: /@[^\W\d]\w*/
"""

SQL_GRAMMAR: Final = "?start: condition\n" + SQL_SHARED + SQL_RULES

# JMS 2.0 §3.8.1: names and numbers are as Java writes them. "Quoted" names are ours, for the
# application properties of AMQP that have no Java name, such as "cloudEvents:type".
JMS_GRAMMAR: Final = (
    r"""
?start: condition
?special: sum NOT? BETWEEN sum AND sum                -> between
?named: property
property: NAME | QUOTED

BETWEEN: "BETWEEN"i
COMPARE: "<=" | ">=" | "<>" | "<" | ">"
TIMES: "*" | "/"
INTEGER: /(0x[0-9a-f]+|[0-9]+)l?/i
DECIMAL.2: /(?=[0-9.]*[.edf])([0-9]+\.?[0-9]*|\.[0-9]+)(e[+-]?[0-9]+)?[df]?/i
NAME: /(?:[^\W\d]|\$)[\w$]*/i
QUOTED: /"(?:[^"]|"")*"/
"""
    + SQL_SHARED
)

SQL_ACTION_GRAMMAR: Final = (
    r"""
start: _statement+                                    -> statements
_statement: (assignment | removal) (";" | ",")*
assignment: SET property EQUALS sum
removal: REMOVE property

SET: "SET"i
REMOVE: "REMOVE"i
"""
    + SQL_SHARED
    + SQL_RULES
)
