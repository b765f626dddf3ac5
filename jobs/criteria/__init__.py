"""How do the product's people say whom they mean? The JSON criteria of segments and cohorts.

An object's entries are joined by AND; each is a column with a value (equal), a list (one of) or an
object of operators (all of them), or `$and` and `$or` with a list of objects, `$not` with one:

    {"status": "active", "$or": [{"emails_opened": {"$gte": 3}},
                                 {"user.last_login_at": {"$gt": "NOW() - INTERVAL 7 DAY"}}]}

What holds where a column is NULL is what people expect who have never heard of three-valued logic:
a condition is true or false, never unknown.

- NULL equals only `null`, is in a list only where `null` is, and is neither more nor less than, nor
  contains, anything.
- `$ne`, `$nin` and `$not` are true exactly where `$eq`, `$in` and what they negate are not, so that
  they take in rows whose column is NULL, and people without an account for `user.` columns.
- `$exists` asks whether there is a value.

What is stored counts: NULL does not stand for the column's default here, since `$exists` could then
not tell them apart.

`$contains` asks of a text whether the value is a part of it (case counts), of a list whether the
value, or each of a list of values, is in it, and of JSON whether it holds that JSON (`@>`).
`$gt` and its like order texts as the column's collation does. A whole object `{}` is always true;
an empty object or list anywhere else is an error, since it would mean everybody or nobody unsaid.
"""
